"""Sells the slots of a request, charges the winners, draws what the user does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import LANES
from ..core.chance import Stream, uniform
from ..core.compiled import apart, inlined, spelt_out
from ..core.intrinsics import call_kernel, stay_apart
from ..core.money import MICRO
from ..delivery.auction import campaign_of, rank_of
from ..delivery.rotation import count_creative, creative_of, extra_log_odds, share_of
from ..delivery.winnow import campaign_in_row, is_behind_a_funnel
from ..population.campaigns import Billing
from ..population.rates import true_click_rate
from ..requests.surfaces import count_impression, has_surfaces, lift_of, odds_of
from ..response.beliefs import count_belief, counts_beliefs
from ..response.counters import count_history, keeps_history, note_history
from ..response.leads import conversion_delay, draw_lead, is_lead_campaign
from ..response.memory import count_shown, counts_fatigue, fatigue_factor, remember, remembers
from ..response.organic import count_increment, has_organic
from ..response.pages import PageSum, count_page, gap_factor, has_pages
from ..response.visits import annoy, displace, has_sessions, worn
from .ahead import click_draw
from .answers import LEFT_OPEN
from .asking import remember_page, remembers_pages
from .bids import set_caps
from .casting import Kept, count_cast, expect_report, is_cast, is_cast_of, waits_for_creative
from .selling import price_of
from .state import Control, Count, Sum, Taking, Worth, ad_in_row, keeps_journal, keeps_takings, platform_rate, tier_lift_of

EVERY_LANE = np.int64(-1)


class Sale(NamedTuple):
    """A slot that is sold and seen; money in millionths."""

    slot: int
    campaign: int
    ad: int
    creative: int  # -1: the ad is its one creative
    propensity: float  # how likely that one was
    believed: float  # click rate, times lift
    bid: float
    cost: np.int64  # of the impression
    platform: float  # click rate as the platform itself believes it, times lift


class Answer(NamedTuple):
    """What the user makes of an ad."""

    clicked: bool
    converted: bool
    rate: float  # true, of the click
    conversion: float  # true rate, of a click
    worth: float  # true expected value, currency


class Bill(NamedTuple):
    """What an impression is charged for, millionths, and when what followed is reported, microseconds, -1: never."""

    charge: np.int64  # now
    owed: np.int64  # once the conversion is reported
    report_us: np.int64
    form_opened: bool
    qualified_us: np.int64
    sold_us: np.int64


@spelt_out
def click_rate_of(a: Any, c: Any, j: Any, state: Any) -> Any:
    """The true click rate of ad a, showing creative c, for the request in column j, once its slot is seen."""
    odds = extra_log_odds(c, state.block.users[j], state.rotation)
    if has_surfaces(state):
        odds += odds_of(a, j, state)
    return true_click_rate(a, odds, state.block.users[j], j, state.truth)


@spelt_out
def sell(
    j: Any, slot: Any, rank: Any, row: Any, k: Any, a: Any, c: Any, propensity: Any, depth: Any, marginal: Any, state: Any
) -> Any:
    """The sale of a slot of the request in column j to campaign k, of that rank, which stands in a row of the bids."""
    bid, cost = price_of(j, rank, row, k, depth, marginal, state)
    own = np.float64(platform_rate(row, j, state))
    return Sale(slot, k, a, c, propensity, np.float64(state.bids.rate[row, j]), bid, cost, own)


@inlined
def answer(i: Any, j: Any, now: Any, sale: Any, draw: Any, lift: Any, willing: Any, state: Any) -> Any:
    """What the user of request i, in column j, does on seeing an ad, `willing` times as ready to click; counts it.

    `draw` is what is drawn for the click.
    """
    k, a, c, user, tally = sale.campaign, sale.ad, sale.creative, state.block.users[j], state.tally
    fresh, exposures = click_rate_of(a, c, j, state), 0.0
    if remembers(state):
        exposures = remember(k, a if c < 0 else c, user, now, state)
    worn_by = fatigue_factor(exposures, state.memory) if exposures > 0 else 1.0
    rate = fresh * worn_by * willing
    clicked = draw < rate
    if counts_fatigue(state):
        count_shown(exposures, fresh, rate, clicked, state.memory)
    conversion = state.truth.conversion[k] * lift
    converted = clicked and uniform(state.keys[Stream.CONVERSION], i, a) < conversion
    tally.counts[Count.IMPRESSIONS, k] += 1
    tally.slot_impressions[sale.slot] += 1
    tally.sums[Sum.BELIEVED, k] += sale.believed * state.terms.believed_conversion[k] * state.terms.value[k]
    worth = rate * conversion * state.terms.value[k]
    tally.sums[Sum.VALUE, k] += worth * state.terms.attributed[k]
    if c >= 0:
        count_creative(c, rate, clicked, converted, worth * state.terms.attributed[k], state.rotation)
        if is_cast(state):
            count_cast(c, user, sale.believed / lift * willing * worn_by, clicked, state)
    if counts_beliefs(state):
        count_belief(a, state.block.times[j], sale.platform / lift, willing * worn_by, clicked, state.beliefs)
    if has_organic(state):
        count_increment(k, user, now, worth, converted, state)
    return Answer(clicked, converted, rate, conversion, worth)


@inlined
def bill(i: Any, now: Any, sale: Any, answered: Any, lift: Any, state: Any) -> Any:
    """What an impression of request i costs its campaign, and when what followed is reported."""
    k, terms, counts = sale.campaign, state.terms, state.tally.counts
    charge, owed, report = np.int64(0), np.int64(0), np.int64(-1)
    opened, qualified, sold = False, report, report
    if terms.billing[k] == Billing.CPM:
        charge = sale.cost
    if answered.clicked:
        counts[Count.CLICKS, k] += 1
        per_click = min(sale.cost / sale.believed * lift, np.float64(state.bids.click_cap[k]))
        if terms.billing[k] == Billing.CPC:
            charge = np.int64(per_click)
        if answered.converted:
            counts[Count.CONVERSIONS, k] += 1
            delay = conversion_delay(i, sale.ad, k, state)
            if delay <= terms.attribution_us:
                report = now + delay
                tick = min(report // state.control[Control.TICK_US], state.control[Control.LAST_TICK]) % terms.reports.shape[0]
                counts[Count.ATTRIBUTED, k] += 1
                terms.reports[tick, k] += 1
                if terms.billing[k] == Billing.CPA:
                    owed = np.int64(per_click / (terms.believed_conversion[k] * lift))
                    terms.owed[tick, k] += owed
        if is_lead_campaign(k, state):
            opened, qualified, sold = draw_lead(i, sale.ad, k, now, answered.converted, report, answered.conversion, state)
    return Bill(charge, owed, report, opened, qualified, sold)


@spelt_out
def charge(j: Any, k: Any, amount: Any, state: Any) -> Any:
    """Takes an amount from campaign k's budget; returns the lanes of the group that are to be selected anew, a bit each."""
    bids, terms = state.bids, state.terms
    terms.spent[k] += amount
    state.tally.counts[Count.SPEND, k] += amount
    left = terms.allowance[k] - terms.spent[k]
    if left < bids.watch[k]:
        set_caps(k, terms.billing[k], left, terms.believed_conversion[k], bids.cap, bids.click_cap)
        if bids.click_cap[k] < bids.live[k] or bids.offer_row[k] >= 0:
            bids.live[k] = min(bids.live[k], bids.click_cap[k])
            return EVERY_LANE
        if not is_behind_a_funnel(state):  # else every request is selected for alone
            return stale_lanes(j, bids.live[k], bids.cap[k], bids.rate[k])
    return np.int64(0)


@apart
def stale_lanes(j: Any, live: Any, most: Any, rate: Any) -> Any:
    """The lanes after j of its group, a bit each, in which a campaign would bid more than `most`."""
    stay_apart()
    lanes = np.int64(0)
    for later in range(j + 1, (j // LANES + 1) * LANES):
        if rate[later] * live > most:
            lanes |= np.int64(1) << (later % LANES)
    return lanes


@inlined
def note(i: Any, j: Any, now: Any, sale: Any, answered: Any, billed: Any, lift: Any, state: Any) -> None:
    """Writes an impression of request i, in column j, into the journal."""
    a, c, row = sale.ad, sale.creative, state.control[Control.JOURNALED]
    state.control[Control.JOURNALED] = row + 1
    line, numbers = state.logs.journal_ints[row], state.logs.journal_floats[row]
    line[0], line[1], line[2], line[3], line[4], line[5] = i, now, state.block.users[j], sale.campaign, a, sale.slot
    line[6], line[7], line[8], line[9] = np.int64(sale.bid), sale.cost, answered.clicked, answered.converted
    line[10], line[11] = billed.report_us, c
    line[12], line[13] = (state.block.surface[j], state.block.query[j]) if has_surfaces(state) else (-1, -1)
    line[14], line[15], line[16] = billed.form_opened, billed.qualified_us, billed.sold_us
    line[17], line[18] = billed.charge, billed.owed
    numbers[0], numbers[1], numbers[2] = sale.believed / lift, answered.rate, sale.propensity
    numbers[3] = sale.platform / lift
    if keeps_history(state):
        note_history(row, state.block.users[j], a, now, state.history)


@inlined
def expect(k: Any, sale: Any, answered: Any, lift: Any, state: Any) -> Any:
    """What campaign k is truly expected to be charged for an ad that is seen, currency."""
    terms = state.terms
    if terms.billing[k] == Billing.CPM:
        return sale.cost / MICRO
    per_click = answered.rate * min(sale.cost / sale.believed * lift, np.float64(state.bids.click_cap[k])) / MICRO
    if terms.billing[k] == Billing.CPC:
        return per_click
    return per_click * answered.conversion * terms.attributed[k] / (terms.believed_conversion[k] * lift)


@inlined
def stop_for_creative(
    j: Any, pattern: Any, slot: Any, rank: Any, last: Any, item: Any, ads: Any, boring: Any, written: Any, stale: Any,
    content: Any, a: Any, state: Any,
) -> None:  # fmt: skip
    """Notes where the request in column j has stopped for a creative of ad a, so that `settle` can go on from that slot."""
    kept = state.casting.kept
    kept[Kept.PATTERN], kept[Kept.SLOT], kept[Kept.RANK], kept[Kept.LAST], kept[Kept.ITEM] = pattern, slot, rank, last, item
    kept[Kept.ADS], kept[Kept.BORING], kept[Kept.WRITTEN], kept[Kept.STALE], kept[Kept.AD] = ads, boring, written, stale, a
    state.casting.kept_content[0] = content
    state.control[Control.CASTING] = j + 1


@inlined
def settle(i: Any, j: Any, now: Any, pattern: Any, state: Any) -> Any:
    """Sells the slots of request i, charges the winners, draws what the user does.

    Where requests are pages, `pattern` says which places are slots; organic items fill the others, and those for which nobody
    bids. Returns the lanes of this group, a bit each, to be selected anew since a campaign can no longer pay what it bid there.

    Where whoever runs the world must first say which creative an ad shows, `waits_for_creative` is true afterwards; called
    again it goes on from there.
    """
    lane, top, reserve = j % LANES, state.bids.top, np.float64(state.control[Control.RESERVE])
    place = state.block.surface[j] if has_surfaces(state) else 0
    lift = (lift_of(j, state) if has_surfaces(state) else 1.0) * tier_lift_of(j, state)
    depth, marginal = state.surfaces.slots[place] if has_surfaces(state) else len(state.seen), state.surfaces.marginal[place]
    paged, user, pages, slots_seen = has_pages(state), state.block.users[j], state.pages, state.block.slots_seen[j]
    places, bits, wear, rank, last, item, content, ads = depth, 0, 1.0, -1, -1, 0, 0.0, 0
    if paged:
        depth, marginal, bits, wear = pages.depth[pattern], pages.marginal[pattern], pages.bits[pattern], worn(j, state)
        places = len(state.seen)
    least = max(depth - 1, 0)  # on a page without ads one would have had to be the best
    to_win, to_win_again = max(rank_of(top[least, lane]), reserve), max(rank_of(top[least + 1, lane]), reserve)
    exposed, stale, boring, written, start = True, np.int64(0), 0, state.control[Control.JOURNALED], 0
    answered_for = waits_for_creative(state)
    if answered_for:
        kept = state.casting.kept
        start, rank, last, item, ads = kept[Kept.SLOT], kept[Kept.RANK], kept[Kept.LAST], kept[Kept.ITEM], kept[Kept.ADS]
        boring, written, stale, content = kept[Kept.BORING], kept[Kept.WRITTEN], kept[Kept.STALE], state.casting.kept_content[0]
    else:
        state.tally.threshold[0] += to_win
    for slot in range(start, places):
        if paged and not ((bits >> slot) & 1 and top[rank + 1, lane] != 0):
            exposed = exposed and slot < slots_seen
            content += pages.relevance[item] if exposed else 0.0
            item += 1
            continue
        rank += 1
        winner = top[rank, lane]
        if winner == 0:
            break
        willing, before = wear * gap_factor(slot, last, pages) if paged else 1.0, last
        last = slot
        row = campaign_of(winner)
        k = campaign_in_row(row, j, state)
        if not answered_for:
            state.tally.counts[Count.WINS, k] += 1
            state.tally.sums[Sum.DISCOUNT, k] += to_win - to_win_again
            exposed = exposed and slot < slots_seen
            if not exposed:
                continue
        a = ad_in_row(row, k, j, state)
        believed = np.float64(state.bids.rate[row, j]) / lift * willing
        if is_cast_of(a, state):
            c = call_kernel(state.control[Control.CASTER], (i, now, a, user, believed, answered_for, state))
            propensity = state.casting.likely[0]
        else:
            c = creative_of(i, a, now, state.keys, state.rotation)
            propensity = share_of(c, a, now, state.rotation)
        if c < LEFT_OPEN:
            stop_for_creative(j, pattern, slot, rank - 1, before, item, ads, boring, written, stale, content, a, state)
            return stale
        if answered_for:
            answered_for, state.control[Control.CASTING] = False, 0
        sale = sell(j, slot, rank, row, k, a, c, propensity, depth, marginal, state)
        draw = click_draw(i, rank, lane, winner, a, state)
        answered = answer(i, j, now, sale, draw, lift, willing, state)
        boring += not answered.clicked
        billed = bill(i, now, sale, answered, lift, state)
        if has_surfaces(state):
            count_impression(place, answered.clicked, answered.converted, billed.charge, billed.owed, state.surfaces)
        if paged:
            ads += 1
            count_page(PageSum.ADS, user, 1.0, pages)
            count_page(PageSum.REVENUE, user, expect(k, sale, answered, lift, state), pages)
            count_page(PageSum.CHARGED, user, (billed.charge + billed.owed) / MICRO, pages)
            if not answered.clicked and pages.end_share > 0.0:
                exposed = uniform(state.keys[Stream.PAGE_END], i, slot) >= pages.end_share
        if keeps_takings(state):
            state.tally.takings[Taking.CHARGED] += billed.charge
            state.tally.takings[Taking.OWED] += billed.owed
            believed = sale.believed * state.terms.believed_conversion[k] * state.terms.value[k]
            state.tally.worth[Worth.BELIEVED] += believed
            state.tally.worth[Worth.TRUE] += answered.worth * state.terms.attributed[k]
        if billed.report_us >= 0 and is_cast(state):
            expect_report(a, c, now, billed.report_us, state)
        if billed.charge > 0:
            stale |= charge(j, k, billed.charge, state)
        if keeps_journal(state):
            note(i, j, now, sale, answered, billed, lift, state)
    if keeps_history(state):
        for row in range(written, state.control[Control.JOURNALED]):
            line = state.logs.journal_ints[row]
            count_history(state.block.users[j], line[4], line[8], now, state.history)
    if boring > 0 and has_sessions(state):
        annoy(j, boring, state)
    if paged:
        count_page(PageSum.AD_PLACES, user, np.float64(depth), pages)
        displace(j, state.block.content[j] * (1.0 - content), state)
        if remembers_pages(state):
            remember_page(j, now, np.float64(ads), state)
    return stale
