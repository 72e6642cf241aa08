"""The compiled walk over a block of requests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.addressed import value_of
from ..core.arrays import LANES
from ..core.compiled import inlined, kernel
from ..core.rules import call_rule, pointer_to
from ..delivery.auction import ENDLESS, campaign_of, insert, select, select_among, word
from ..requests import surfaces as P
from ..requests.surfaces import count_request
from ..response.memory import has_seen_enough
from ..response.visits import comes
from .bids import below, set_caps
from .record import record
from .settle import settle
from .state import BASE, FAULT, GROUP, LEFT_BASE, NEXT, OFFERED, RECORD_OF, RESERVE, SCORED, STALE, pass_over

# What walk returns.
REACHED, HUNGRY, FAULTY = range(3)


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
