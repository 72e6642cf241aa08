"""The compiled walk over a block of requests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.compiled import inlined, kernel
from ..core.intrinsics import call_kernel, fetch
from ..core.rules import call_rule, pointer_to
from ..delivery.auction import ENDLESS, campaign_of, insert, select_alone, word
from ..delivery.selection import sits_out
from ..delivery.winnow import campaign_in_row, is_behind_a_funnel
from ..population.rates import fetch_click_rate
from ..requests.surfaces import SurfaceCount, count_request
from ..response.memory import has_caps, has_seen_enough
from ..response.visits import has_sessions, user_is_there
from .ahead import draw_clicks
from .answers import LEFT_OPEN
from .asking import remembers_pages
from .bids import below, set_caps
from .casting import Kept, waits_for_creative
from .settle import settle
from .state import Control, Sum, has_rules, is_weighted, pass_over

# What walk returns.
REACHED, HUNGRY, FAULTY, ASKING = range(4)
ALL = 1 << 62  # requests: as many as there are
AHEAD = 8  # requests for which is fetched what they will need


@inlined
def bid_by_rules(j: Any, lane: Any, requests_left: Any, state: Any) -> None:
    """Asks the campaigns that bid by a compiled rule, and puts their bids among the best."""
    rules, terms, bids = state.rules, state.terms, state.bids
    for n in range(rules.campaign.size):
        k = rules.campaign[n]
        rules.word[n] = 0
        if not terms.active[k] or sits_out(k, j, bids):
            continue
        left = terms.allowance[k] - terms.spent[k]
        first = rules.first[n]
        memory: Any = pointer_to(rules.state, first)
        width = rules.first[n + 1] - first
        rate = bids.rate[k, j] * terms.believed_conversion[k]
        bid = call_rule(rules.address[n], rate, left, requests_left, memory, width) * bids.pace[k]
        if not 0.0 <= bid < np.inf:
            state.control[Control.FAULT] = k + 1
            continue
        set_caps(k, terms.billing[k], left, terms.believed_conversion[k], bids.cap, bids.click_cap)
        e = min(below(bid), bids.cap[k])
        if bids.click_cap[k] < ENDLESS:
            e = min(e, bids.click_cap[k] * bids.rate[k, j])
        if e >= bids.floor[k]:
            rules.word[n] = word(e * bids.weight[k, j] if is_weighted(state) else e, k)
            insert(bids.top, lane, rules.word[n])


@inlined
def fetch_ahead(j: Any, state: Any) -> None:
    """Has the true click rates of those who win the request in column j, of the group under way, brought near."""
    ahead, lane = state.ahead, j % LANES
    for rank in range(ahead.word.shape[0]):
        if ahead.word[rank, lane] != 0:
            fetch_click_rate(ahead.ad[rank, lane], state.block.users[j], state.truth)


@inlined
def select_best(j: Any, alone: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids for the request in column j, for it `alone` or for its group at once; those of rules apart."""
    lane, control, bids = j % LANES, state.control, state.bids
    together = control[Control.GROUP] == j // LANES
    if is_behind_a_funnel(state):
        select_alone(j, low, high, lane, bids)
    elif alone or (together and (control[Control.STALE] >> lane) & 1):
        call_kernel(bids.selector, (j, True, bids))
    elif not together:
        control[Control.GROUP], control[Control.STALE] = j // LANES, 0
        call_kernel(bids.selector, (j, False, bids))
        draw_clicks(control[Control.BASE] + j - lane, j - lane, state)
        for other in range(AHEAD):
            fetch_ahead(j - lane + other, state)


@inlined
def select_uncapped(j: Any, now: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids without the campaigns of which this user has seen enough today."""
    lane, top, memory, live, active = j % LANES, state.bids.top, state.memory, state.bids.live, state.terms.active
    barred = 0
    while True:
        before = barred
        for place in range(top.shape[0]):
            if top[place, lane] == 0:
                break
            k = campaign_in_row(campaign_of(top[place, lane]), j, state)
            if has_seen_enough(state.block.users[j], k, live.size, now, memory):
                memory.barred[barred], memory.barred_live[barred], memory.barred_active[barred] = k, live[k], active[k]
                live[k], active[k] = 0, False
                barred += 1
        if barred == before:
            break
        select_best(j, True, low, high, state)
        for n in range(state.rules.campaign.size):  # a rule is asked once for a request
            if active[state.rules.campaign[n]]:
                insert(top, lane, state.rules.word[n])
    for n in range(barred):
        k = memory.barred[n]
        live[k], active[k] = memory.barred_live[n], memory.barred_active[n]


@inlined
def find_ads(i: Any, j: Any, now: Any, alone: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids for request i, in column j, for it `alone` or for its group at once, and asks the rules.

    Behind a funnel its candidates are the rows from `low` up to `high`.
    """
    select_best(j, alone, low, high, state)
    if not alone and (j + AHEAD) // LANES == j // LANES and not is_behind_a_funnel(state):
        fetch_ahead(j + AHEAD, state)
    if remembers_pages(state) and not alone and j + AHEAD < state.block.users.size:
        fetch(state.asking.known, state.block.users[j + AHEAD], 0)
    if has_rules(state):
        bid_by_rules(j, j % LANES, max(state.control[Control.FORECAST_END] - i, 0), state)
    if has_caps(state):
        select_uncapped(j, now, low, high, state)
    if state.control[Control.RECORDER] != 0:
        call_kernel(state.control[Control.RECORDER], (i, j, j % LANES, now, state))
    count_request(SurfaceCount.AUCTIONED, j, state)


@inlined
def conclude(i: Any, j: Any, now: Any, answered: Any, state: Any) -> Any:
    """Has whoever decides on pages do so for request i, and settles it.

    False if he, or who casts creatives, must first be asked from outside; called again it goes on from there.
    """
    if waits_for_creative(state):
        pattern = state.casting.kept[Kept.PATTERN]
    elif state.control[Control.CHOOSER] != 0:
        pattern = call_kernel(state.control[Control.CHOOSER], (i, j, now, answered, state))
        if pattern == LEFT_OPEN:
            return False
    else:
        pattern = np.int64(state.pages.usual)
    stale = settle(i, j, now, pattern, state)
    if waits_for_creative(state):
        return False
    state.control[Control.STALE] |= stale
    return True


@kernel(nogil=True)
def walk(until: Any, most: Any, state: Any) -> Any:
    """Plays the requests before `until`, at most `most` of them.

    Says whether it got there (REACHED), needs the next block (HUNGRY), met what is not allowed (FAULTY) or must be told how the
    page of the next request is allocated, or a creative of it cast (ASKING): by `asking.answer` and `Control.ANSWERED`, or by
    `casting.answer`.
    """
    i = state.control[Control.NEXT]
    end = i + most
    while True:
        if state.control[Control.FAULT] != 0:
            return FAULTY
        if i >= end:
            return REACHED
        if i >= state.control[Control.SCORED]:
            if state.control[Control.DRAWER] == 0:
                return HUNGRY
            call_kernel(state.control[Control.DRAWER], (state,))
        now = state.block.times[i - state.control[Control.BASE]]
        if now >= until:
            return REACHED
        j = i - state.control[Control.BASE]
        answered = state.control[Control.ANSWERED] == i + 1 or waits_for_creative(state)
        if answered or not has_sessions(state) or user_is_there(i, j, state):
            if not answered:
                count_request(SurfaceCount.REQUESTS, j, state)
                find_ads(i, j, now, False, 0, state.bids.rate.shape[0], state)
            if not conclude(i, j, now, answered, state):
                return ASKING
        else:
            pass_over(state)
        i += 1
        state.control[Control.NEXT] = i


@inlined
def find_alone(i: Any, j: Any, now: Any, low: Any, high: Any, state: Any) -> None:
    """Finds the best bids for one request, in column j, where a market with servers keeps it while it waits; see `find_ads`."""
    for row in range(low, high):
        k = campaign_in_row(row, j, state)
        state.tally.sums[Sum.OFFERED, k] += state.bids.rate[row, j] * state.terms.believed_conversion[k]
    find_ads(i, j, now, True, low, high, state)
