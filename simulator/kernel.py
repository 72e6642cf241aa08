"""The compiled walk over a block of requests: select, price, charge, and what people do, in the order of time.

Both engines call `walk`: `compiled` for all requests before the next event of the SimPy world, `events` for one at a time.
State lives in the arrays of `State`, which entry points take as a `Held`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import surfaces as P
from .auction import ENDLESS, LANES, campaign_of, insert, price_rank, rank_of, select, select_among, word
from .chance import Stream, uniform
from .compiled import inlined, kernel
from .held import value_of
from .history import History, make_history, note_history
from .leads import Chain, conversion_delay, follow
from .memory import Memory, appetite, count_shown, has_seen_enough, remembered, see
from .organic import Baseline, credit
from .response import true_click_rate
from .rotation import Rotation, count_creative, creative_of, extra_log_odds, share_of
from .rules import call_rule, pointer_to
from .sessions import Visits, comes, suffer
from .surfaces import Surfaces, count_impression, count_request, lift_of, odds_of

CHUNK = 1024  # requests scored together, a multiple of LANES

# Places in State.control.
(
    NEXT, BASE, SCORED, GROUP, STALE, PRICING, RESERVE, TICK_US, LAST_TICK, LEFT_BASE, FAULT, JOURNALED, RECORDED, RECORD_OF,
    UNMADE, CONTROLS,
) = range(16)  # fmt: skip
# What walk returns.
REACHED, HUNGRY, FAULTY = range(3)
# Rows of State.counts and State.sums: the first TOLD of each are what a campaign is told, the rest only a judge may read.
REQUESTS, WINS, IMPRESSIONS, CLICKS, REPORTED, SPEND, WRITTEN_OFF, CONVERSIONS, ATTRIBUTED, COUNTS = range(10)
COUNTS_TOLD = 7
BELIEVED, OFFERED, DISCOUNT, VALUE, SUMS = range(5)
SUMS_TOLD = 2
CPM, CPC, CPA = range(3)
EVERY_LANE = np.int64(-1)
ROUNDING = 1 + 1e-6  # by how much less float32 products may exceed the exact ones
# Columns of the journal and of the record.
JOURNAL_INTS = (
    "request", "time_us", "user", "campaign", "ad", "slot", "bid", "price", "clicked", "converted", "report_us", "creative",
    "surface", "query", "form_opened", "qualified_us", "sold_us",
)  # fmt: skip
JOURNAL_FLOATS = ("believed_rate", "true_rate", "propensity")
RECORD_INTS, RECORD_FLOATS = 3, 3  # of the latter the rivals' ranks follow


class State(NamedTuple):
    """Everything a kernel reads and writes. K campaigns, A ads, S slots; money in millionths.

    n = CHUNK requests of the block and, in a market with servers, columns behind them for those that still wait.
    """

    control: NDArray[np.int64]
    keys: NDArray[np.uint64]  # (streams,)
    seen: tuple[float, ...]  # (S,) given the slot before was seen
    times: NDArray[np.int64]  # (n,) arrival, microseconds
    users: NDArray[np.int64]  # (n,)
    session: NDArray[np.int64]  # (n,) its number; (0,) where requests come by themselves
    surface: NDArray[np.int64]  # (n,) where it is made; (0,) where there is but one and nobody asks
    query: NDArray[np.int64]  # (n,) what it asks, -1 for nothing; or (0,)
    page: NDArray[np.int64]  # (CHUNK,) place in the session, or (0,)
    present: NDArray[np.float32]  # (CHUNK,) 1: made, 0: its user had left; or (0,)
    rate: NDArray[np.float32]  # (K, n) believed click rate of the campaign's best ad
    ad: NDArray[np.int64]  # (K, n) that ad; (0, 0) where each campaign has one
    who: NDArray[np.int64]  # (rows, n) behind a funnel the campaign of each candidate, `rate` and `ad` having rows; else (0, 0)
    weight: NDArray[np.float32]  # (K, n) of the rank; (0, 0) where all are 1
    offer: NDArray[np.float32]  # (rows, n) bids by request of the campaigns that make them
    offer_row: NDArray[np.int64]  # (K,) row of `offer`, or -1
    truth_users: NDArray[np.float32]
    truth_ads: NDArray[np.float32]
    truth_bias: NDArray[np.float32]
    truth_block: NDArray[np.float32]
    live: NDArray[np.float32]  # (K,) bid for a click; 0 takes no part
    cap: NDArray[np.float32]  # (K,) most it can pay for an impression
    click_cap: NDArray[np.float32]  # (K,) most it can pay for a click
    active: NDArray[np.bool_]  # (K,) has a flight today and is not paused
    watch: NDArray[np.float64]  # (K,) with less budget left than this, caps must be exact after each charge
    billing: NDArray[np.int64]  # (K,)
    allowance: NDArray[np.int64]  # (K,) what it may have spent by now
    spent: NDArray[np.int64]  # (K,)
    believed_conversion: NDArray[np.float64]  # (K,) conversions per click
    true_conversion: NDArray[np.float64]  # (K,)
    attributed: NDArray[np.float64]  # (K,) share of conversions that come in time to be attributed to the ad
    value: NDArray[np.float64]  # (K,) of a conversion, currency
    counts: NDArray[np.int64]  # (COUNTS, K)
    sums: NDArray[np.float64]  # (SUMS, K)
    slot_impressions: NDArray[np.int64]  # (S,)
    threshold: NDArray[np.float64]  # (1,) sum over requests of the least rank that wins a slot
    reports: NDArray[np.int64]  # (ticks, K) calendar of conversions to be reported
    owed: NDArray[np.int64]  # (ticks, K) and of what they cost
    delay: NDArray[np.float64]  # (parts, 4)
    attribution_us: int  # conversions after a longer delay are neither reported nor billed
    chain: Chain
    baseline: Baseline
    memory: Memory
    visits: Visits
    surfaces: Surfaces
    rotation: Rotation
    rule_address: NDArray[np.int64]  # (R,) where the compiled rules are
    rule_campaign: NDArray[np.int64]  # (R,) campaigns that bid by rule
    rule_first: NDArray[np.int64]  # (R + 1,) where its state starts
    rule_state: NDArray[np.float64]
    rule_word: NDArray[np.int64]  # (R,) what they bid for the request being played, as `auction.word` has it
    top: NDArray[np.int64]  # (S + 1, LANES)
    journal_ints: NDArray[np.int64]  # (rows, JOURNAL_INTS); no rows: no journal
    journal_floats: NDArray[np.float64]  # (rows, JOURNAL_FLOATS)
    history: History
    record_ints: NDArray[np.int64]  # (rows, 3) request, slots seen, clicked if shown
    record_floats: NDArray[np.float64]  # (rows, 3 + S) believed rate, value if seen, weight; rivals' ranks / weight


@inlined
def below(money: Any) -> Any:
    """The largest float32 that does not exceed an amount of money."""
    x = np.float32(money)
    if np.float64(x) > np.float64(money):
        x = np.int32(x.view(np.int32) - np.int32(1)).view(np.float32)
    return x


@inlined
def set_caps(k: Any, billing: Any, left: Any, believed_conversion: Any, cap: Any, click_cap: Any) -> None:
    """A bid never exceeds what is left of the budget, in the unit in which the campaign is billed."""
    cap[k] = below(left) if billing == CPM else ENDLESS
    if billing == CPC:
        click_cap[k] = below(left)
    elif billing == CPA:
        click_cap[k] = np.float32(below(left) * believed_conversion)
    else:
        click_cap[k] = ENDLESS


@inlined
def bid_by_rules(j: Any, lane: Any, requests_left: Any, state: Any) -> None:
    """Asks the campaigns that bid by a compiled rule, and puts their bids among the best."""
    for n in range(state.rule_campaign.size):
        k = state.rule_campaign[n]
        state.rule_word[n] = 0
        if not state.active[k]:
            continue
        left = state.allowance[k] - state.spent[k]
        first = state.rule_first[n]
        memory: Any = pointer_to(state.rule_state, first)
        width = state.rule_first[n + 1] - first
        rate = state.rate[k, j] * state.believed_conversion[k]
        bid = call_rule(state.rule_address[n], rate, left, requests_left, memory, width)
        if not 0.0 <= bid < np.inf:
            state.control[FAULT] = k + 1
            continue
        set_caps(k, state.billing[k], left, state.believed_conversion[k], state.cap, state.click_cap)
        e = min(below(bid), state.cap[k])
        if state.click_cap[k] < ENDLESS:
            e = min(e, state.click_cap[k] * state.rate[k, j])
        if e >= np.float32(state.control[RESERVE]):
            state.rule_word[n] = word(e * state.weight[k, j] if state.weight.size > 0 else e, k)
            insert(state.top, lane, state.rule_word[n])


@inlined
def click_rate_of(a: Any, c: Any, j: Any, state: Any) -> Any:
    """The true click rate of ad a, showing creative c, for the request in column j, once its slot is seen."""
    odds = extra_log_odds(c, state.users[j], state.rotation)
    if state.surface.size > 0:
        odds += odds_of(a, j, state)
    truth = state.truth_users, state.truth_ads, state.truth_bias, state.truth_block
    return true_click_rate(a, odds, state.users[j], j, *truth)


@inlined
def record(i: Any, j: Any, lane: Any, state: Any) -> None:
    """Notes for one campaign what a clairvoyant would want to know of this request: its rivals' ranks and the luck."""
    k, row, seen, top = state.control[RECORD_OF], state.control[RECORDED], state.seen, state.top
    state.control[RECORDED] = row + 1
    a = state.ad[k, j] if state.ad.size > 0 else k
    true_rate = click_rate_of(a, creative_of(i, a, state.keys, state.rotation), j, state)
    depth = 0
    while depth < len(seen) and (seen[depth] >= 1.0 or uniform(state.keys[Stream.EXPOSURE], i, depth) < seen[depth]):
        depth += 1
    state.record_ints[row, 0] = i
    state.record_ints[row, 1] = depth
    state.record_ints[row, 2] = uniform(state.keys[Stream.CLICK], i, a) < true_rate
    state.record_floats[row, 0] = state.rate[k, j]
    state.record_floats[row, 1] = true_rate * state.true_conversion[k] * state.value[k] * state.attributed[k]
    w = np.float64(state.weight[k, j]) if state.weight.size > 0 else 1.0
    state.record_floats[row, 2] = w
    place = 0
    for rival in range(len(seen)):
        if campaign_of(top[place, lane]) == k and top[place, lane] != 0:
            place += 1
        state.record_floats[row, 3 + rival] = rank_of(top[place, lane]) / w
        place += 1


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


@inlined
def find(j: Any, alone: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids for the request in column j, for it `alone` or for its group at once; those of rules apart."""
    lane, control, top, rate, weight = j % LANES, state.control, state.top, state.rate, state.weight
    floor = np.float32(control[RESERVE])
    together = control[GROUP] == j // LANES
    live, cap, click_cap, offer, offer_row = state.live, state.cap, state.click_cap, state.offer, state.offer_row
    if state.who.size > 0:
        select_among(j, low, high, rate, state.who, weight, live, cap, click_cap, floor, top, lane)
    elif alone or (together and (control[STALE] >> lane) & 1):
        one = top[:, lane : lane + 1]
        select(j, 1, rate, weight, offer, offer_row, live, cap, click_cap, floor, state.seen, one)
    elif not together:
        control[GROUP], control[STALE] = j // LANES, 0
        select(j // LANES * LANES, LANES, rate, weight, offer, offer_row, live, cap, click_cap, floor, state.seen, top)


@inlined
def find_others(j: Any, now: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids without the campaigns of which this user has seen enough today."""
    lane, top, memory, live, active = j % LANES, state.top, state.memory, state.live, state.active
    barred = 0
    while True:
        before = barred
        for place in range(len(state.seen) + 1):
            if top[place, lane] == 0:
                break
            row = campaign_of(top[place, lane])
            k = state.who[row, j] if state.who.size > 0 else row
            if has_seen_enough(state.users[j], k, live.size, now, memory):
                memory.barred[barred], memory.barred_live[barred], memory.barred_active[barred] = k, live[k], active[k]
                live[k], active[k] = 0, False
                barred += 1
        if barred == before:
            break
        find(j, True, low, high, state)
        for n in range(state.rule_campaign.size):  # a rule is asked once for a request
            if active[state.rule_campaign[n]]:
                insert(top, lane, state.rule_word[n])
    for n in range(barred):
        k = memory.barred[n]
        live[k], active[k] = memory.barred_live[n], memory.barred_active[n]


@inlined
def step(i: Any, j: Any, now: Any, alone: Any, low: Any, high: Any, state: Any) -> None:
    """Plays request i, in column j: finds the best bids, for it `alone` or for its group at once; asks the rules; settles.

    Behind a funnel its candidates are the rows from `low` up to `high`.
    """
    find(j, alone, low, high, state)
    if state.rule_campaign.size > 0:
        bid_by_rules(j, j % LANES, max(state.control[LEFT_BASE] - i, 0), state)
    if state.memory.cap.size > 0:
        find_others(j, now, low, high, state)
    if state.control[RECORD_OF] >= 0:
        record(i, j, j % LANES, state)
    count_request(P.SERVED, j, state)
    state.control[STALE] |= settle(i, j, now, state)


@inlined
def pass_over(state: Any) -> None:
    """Counts a request that is not made, since its user has left: one fewer of those forecast is asked for."""
    state.control[LEFT_BASE] += 1
    state.control[UNMADE] += 1


@kernel()
def walk(until: Any, most: Any, held: Any) -> Any:
    """Plays the requests before `until`, at most `most` of them.

    Says whether it got there (REACHED), needs the next block (HUNGRY) or met a bid that is not allowed (FAULTY).
    """
    state = value_of(held)
    i = state.control[NEXT]
    end = i + most
    while True:
        if state.control[FAULT] != 0:
            return FAULTY
        if i >= end:
            return REACHED
        if i >= state.control[SCORED]:
            return HUNGRY
        now = state.times[i - state.control[BASE]]
        if now >= until:
            return REACHED
        j = i - state.control[BASE]
        if state.session.size == 0 or comes(i, j, state):
            count_request(P.REQUESTS, j, state)
            step(i, j, now, False, 0, state.rate.shape[0], state)
        else:
            pass_over(state)
        i += 1
        state.control[NEXT] = i


@kernel()
def play_alone(i: Any, j: Any, now: Any, low: Any, high: Any, held: Any) -> None:
    """Plays one request from column j, where a market with servers keeps it while it waits; see `step` for `low` and `high`."""
    state = value_of(held)
    for row in range(low, high):
        k = state.who[row, j] if state.who.size > 0 else row
        state.sums[OFFERED, k] += state.rate[row, j] * state.believed_conversion[k]
    step(i, j, now, True, low, high, state)


@kernel()
def refresh(multiplier: Any, target: Any, offer_bound: Any, rate_bound: Any, held: Any) -> None:
    """Sets what campaigns may bid from now on, after anything that can change it: bids, budgets, hours, flights.

    `multiplier` (K,): NaN where it bids by offer or by rule. `target` (K,): bid for a conversion at multiplier 1, currency.
    `offer_bound` (K,): its largest offer, millionths.
    """
    state = value_of(held)
    for k in range(multiplier.size):
        if not state.active[k]:
            state.live[k] = 0
        elif multiplier[k] >= 0:
            per_click = multiplier[k] * target[k] * 1e6 * state.believed_conversion[k]
            state.live[k] = per_click
            # No charge exceeds the bid for a click (CPC) or that at the largest rate (CPM), rounding included.
            state.watch[k] = per_click * max(1.0, rate_bound) * ROUNDING + 1
        elif state.offer_row[k] >= 0:
            state.live[k] = 1
            state.watch[k] = np.inf if state.billing[k] == CPC else offer_bound[k] + 1
        else:  # rules are capped whenever they are asked
            state.live[k] = 0
            state.watch[k] = -1
    cap_all(held)


@kernel()
def cap_all(held: Any) -> None:
    """Makes all caps exact; called for each block too, since what is bid in it was not known when they were last set."""
    state = value_of(held)
    state.control[GROUP] = -1
    for k in range(state.live.size):
        left = state.allowance[k] - state.spent[k]
        set_caps(k, state.billing[k], left, state.believed_conversion[k], state.cap, state.click_cap)
        state.live[k] = min(state.live[k], state.click_cap[k])
