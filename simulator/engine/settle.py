"""Sells the slots of a request, charges the winners, draws what the user does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.chance import Stream, uniform
from ..core.compiled import inlined
from ..delivery.auction import campaign_of, price_rank, rank_of
from ..delivery.rotation import count_creative, creative_of, extra_log_odds, share_of
from ..population.campaigns import CPA, CPC, CPM
from ..population.rates import true_click_rate
from ..requests.surfaces import count_impression, lift_of, odds_of
from ..response.counters import make_history, note_history
from ..response.leads import conversion_delay, follow
from ..response.memory import appetite, count_shown, remembered, see
from ..response.organic import credit
from ..response.visits import suffer
from .bids import set_caps
from .state import (
    ATTRIBUTED,
    BELIEVED,
    CLICKS,
    CONVERSIONS,
    DISCOUNT,
    IMPRESSIONS,
    JOURNALED,
    LAST_TICK,
    PRICING,
    RESERVE,
    SPEND,
    TICK_US,
    VALUE,
    WINS,
)

EVERY_LANE = np.int64(-1)


@inlined
def click_rate_of(a: Any, c: Any, j: Any, state: Any) -> Any:
    """The true click rate of ad a, showing creative c, for the request in column j, once its slot is seen."""
    odds = extra_log_odds(c, state.users[j], state.rotation)
    if state.surface.size > 0:
        odds += odds_of(a, j, state)
    truth = state.truth_users, state.truth_ads, state.truth_bias, state.truth_block
    return true_click_rate(a, odds, state.users[j], j, *truth)


@inlined
def stale_lanes(j: Any, live: Any, most: Any, rate: Any) -> Any:
    """The lanes after j of its group, a bit each, in which a campaign would bid more than `most`."""
    lanes = np.int64(0)
    for later in range(j + 1, (j // LANES + 1) * LANES):
        if rate[later] * live > most:
            lanes |= np.int64(1) << (later % LANES)
    return lanes


@inlined
def settle(i: Any, j: Any, now: Any, state: Any) -> Any:
    """Sells the slots of request i, charges the winners, draws what the user does.

    Returns the lanes of this group, a bit each, to be selected anew since a campaign can no longer pay what it bid there.
    """
    lane, seen, top, weight = j % LANES, state.seen, state.top, state.weight
    reserve, asks = np.float64(state.control[RESERVE]), state.surface.size > 0
    place, lift = state.surface[j] if asks else 0, lift_of(j, state) if asks else 1.0
    depth, marginal = state.surfaces.slots[place] if asks else len(seen), state.surfaces.marginal[place]
    to_win = max(rank_of(top[depth - 1, lane]), reserve)
    to_win_again = max(rank_of(top[depth, lane]), reserve)
    state.threshold[0] += to_win
    exposed, stale, boring, written = True, np.int64(0), 0, state.control[JOURNALED]
    for slot in range(depth):
        winner = top[slot, lane]
        if winner == 0:
            break
        row = campaign_of(winner)
        k = state.who[row, j] if state.who.size > 0 else row
        state.counts[WINS, k] += 1
        state.sums[DISCOUNT, k] += to_win - to_win_again
        likely = state.surfaces.seen[place, slot] if asks else seen[slot]
        if exposed and likely < 1.0:
            exposed = uniform(state.keys[Stream.EXPOSURE], i, slot) < likely
        if not exposed:
            continue
        believed = np.float64(state.rate[row, j])
        floor = reserve * weight[row, j] if weight.size > 0 else reserve
        bid, price = rank_of(winner), price_rank(state.control[PRICING], top, lane, slot, depth, marginal, floor)
        if weight.size > 0:
            # The rank was rounded: without its weight it may lie a hair below a bid at the reserve, or above the cap.
            bid = max(min(bid / weight[row, j], np.float64(state.cap[k])), reserve)
            price /= weight[row, j]
        cost = np.int64(min(max(price, reserve), bid))
        a = state.ad[row, j] if state.ad.size > 0 else k
        c = creative_of(i, a, state.keys, state.rotation)
        fresh, exposures = click_rate_of(a, c, j, state), 0.0
        if state.memory.whose.size > 0:
            exposures = remember(k, a if c < 0 else c, state.users[j], now, state)
        true_rate = fresh * appetite(exposures, state.memory) if exposures > 0 else fresh
        clicked = uniform(state.keys[Stream.CLICK], i, a) < true_rate
        if state.memory.shown_counts.size > 0:
            count_shown(exposures, fresh, true_rate, clicked, state.memory)
        true_conversion = state.true_conversion[k] * lift
        converted = clicked and uniform(state.keys[Stream.CONVERSION], i, a) < true_conversion
        state.counts[IMPRESSIONS, k] += 1
        state.slot_impressions[slot] += 1
        state.sums[BELIEVED, k] += believed * state.believed_conversion[k] * state.value[k]
        worth = true_rate * true_conversion * state.value[k]
        state.sums[VALUE, k] += worth * state.attributed[k]
        if c >= 0:
            count_creative(c, clicked, converted, worth * state.attributed[k], state.rotation)
        boring += not clicked
        charge, owed, report = np.int64(0), np.int64(0), np.int64(-1)
        opened, qualified, sold = False, report, report
        if state.billing[k] == CPM:
            charge = cost
        if clicked:
            state.counts[CLICKS, k] += 1
            per_click = min(cost / believed * lift, np.float64(state.click_cap[k]))
            if state.billing[k] == CPC:
                charge = np.int64(per_click)
            if converted:
                state.counts[CONVERSIONS, k] += 1
                delay = conversion_delay(i, a, k, state)
                if delay <= state.attribution_us:
                    report = now + delay
                    tick = min(report // state.control[TICK_US], state.control[LAST_TICK]) % state.reports.shape[0]
                    state.counts[ATTRIBUTED, k] += 1
                    state.reports[tick, k] += 1
                    if state.billing[k] == CPA:
                        owed = np.int64(per_click / (state.believed_conversion[k] * lift))
                        state.owed[tick, k] += owed
            if state.chain.form_open.size > 0 and state.chain.form_open[k] > 0.0:
                opened, qualified, sold = follow(i, a, k, now, converted, report, true_conversion, state)
        if state.baseline.odds.size > 0:
            credit(k, state.users[j], now, worth, converted, state)
        if asks:
            count_impression(place, clicked, converted, charge, owed, state.surfaces)
        if charge > 0:
            state.spent[k] += charge
            state.counts[SPEND, k] += charge
            left = state.allowance[k] - state.spent[k]
            if left < state.watch[k]:
                set_caps(k, state.billing[k], left, state.believed_conversion[k], state.cap, state.click_cap)
                if state.click_cap[k] < state.live[k] or state.offer_row[k] >= 0:
                    state.live[k] = min(state.live[k], state.click_cap[k])
                    stale = EVERY_LANE
                elif state.who.size == 0:  # else every request is selected for alone
                    stale |= stale_lanes(j, state.live[k], state.cap[k], state.rate[k])
        if state.journal_ints.shape[0] > 0:
            entry = state.control[JOURNALED]
            state.control[JOURNALED] = entry + 1
            line = state.journal_ints[entry]
            line[0], line[1], line[2], line[3], line[4], line[5] = i, now, state.users[j], k, a, slot
            line[6], line[7], line[8], line[9], line[10], line[11] = np.int64(bid), cost, clicked, converted, report, c
            line[12], line[13] = (state.surface[j], state.query[j]) if asks else (-1, -1)
            line[14], line[15], line[16] = opened, qualified, sold
            state.journal_floats[entry, 0], state.journal_floats[entry, 1] = believed / lift, true_rate
            state.journal_floats[entry, 2] = share_of(c, a, state.rotation)
            if state.history.rows.shape[0] > 0:
                note_history(entry, state.users[j], a, now, state.history)
    if state.history.rows.shape[0] > 0:
        for entry in range(written, state.control[JOURNALED]):
            line = state.journal_ints[entry]
            make_history(state.users[j], line[4], line[8], now, state.history)
    if boring > 0 and state.session.size > 0:
        suffer(j, boring, state)
    return stale


@inlined
def remember(k: Any, shown: Any, user: Any, now: Any, state: Any) -> Any:
    """Notes that a user sees an ad or a creative of campaign k; says how many exposures to it they remembered before."""
    memory, campaigns = state.memory, state.live.size
    width, exposures = campaigns + memory.tire_of, 0.0
    if memory.cap.size > 0 and memory.cap[k] > 0:
        see(user, k, width, now, memory)
    if memory.exponent > 0:
        exposures = remembered(user, campaigns + shown, width, now, memory)
        see(user, campaigns + shown, width, now, memory)
    return exposures
