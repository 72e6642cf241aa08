"""Decisions by impression: what whoever casts the creatives of an ad is shown of each, and how an answer becomes a creative."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..core.rules import call_row_rule, pointer_to
from ..delivery.rotation import creative_of, is_there, number_there
from ..response.memory import counts_fatigue, remembered_exposures
from .answers import BY_CHANCE, LEFT_OPEN, NOBODY_ASKED, draw_by
from .state import CAST_BY, Control


class Column(IntEnum):
    """What is shown of an impression before its creative is cast; a row of `Row` for each creative follows from ROWS on."""

    DAY = 0  # from 0 on
    ELAPSED = 1  # share of the day
    AD = 2  # its number in the market
    USER = 3  # who sees it
    SEGMENT = 4  # of the user
    BELIEVED = 5  # click rate of the ad here, whichever creative, on first sight
    THERE = 6  # creatives that have come by now
    ROWS = 7


class Row(IntEnum):
    """What is shown of each creative of the ad, counts being of the run so far; of those there are not, zeros."""

    THERE = 0  # 1: it has come
    FORMAT = 1  # place in `scenario.creatives.FORMATS`
    CONTENT = 2  # best linear guess of its appeal from embeddings, log-odds
    SHOWN = 3  # impressions
    CLICKS = 4
    EXPECTED = 5  # clicks that belief and users' fatigue let expect, were all creatives alike
    SHOWN_HERE = 6  # the same three in the segment of this user
    CLICKS_HERE = 7
    EXPECTED_HERE = 8
    REPORTED = 9  # conversions, by the end of the last tick
    EXPOSURES = 10  # to it, as this user remembers them
    DICE = 11  # uniform on (0, 1), of this impression and creative: for a rule that wants dice


WIDTH = len(Row)


class Kept(IntEnum):
    """Places in Casting.kept: where a request stopped that waits for whoever runs the world to cast a creative."""

    PATTERN = 0  # of its page
    SLOT = 1
    RANK = 2
    LAST = 3
    ITEM = 4
    ADS = 5
    BORING = 6
    WRITTEN = 7
    STALE = 8
    AD = 9


@spelt_out
def is_cast(state: Any) -> Any:
    """Whether anybody decides on creatives."""
    return state.casting.address.size > 0


@inlined
def is_cast_of(a: Any, state: Any) -> Any:
    """Whether anybody decides on those of ad a."""
    return is_cast(state) and state.casting.address[a] != NOBODY_ASKED


@spelt_out
def waits_for_creative(state: Any) -> Any:
    """Whether a request has stopped for whoever runs the world to cast a creative, or goes on from there."""
    return state.control[Control.CASTING] != 0


@inlined
def read_calendar(a: Any, now: Any, state: Any) -> None:
    """Takes in what has been reported of ad a's creatives in the ticks that are over."""
    casting, rotation, tick = state.casting, state.rotation, now // state.control[Control.TICK_US]
    while casting.closed[a] < tick:
        due = casting.reports[casting.closed[a] % casting.reports.shape[0]]
        for c in range(rotation.first[a], rotation.first[a + 1]):
            casting.reported[c] += due[c]
            due[c] = 0
        casting.closed[a] += 1


@inlined
def show(i: Any, now: Any, a: Any, user: Any, believed: Any, state: Any) -> None:
    """Fills in what is shown of an impression of ad a to a user."""
    casting, rotation, view = state.casting, state.rotation, state.casting.shown
    read_calendar(a, now, state)
    first, segment = rotation.first[a], rotation.segment[user]
    view[Column.DAY] = now // casting.day_us
    view[Column.ELAPSED] = (now % casting.day_us) / casting.day_us
    view[Column.AD] = a
    view[Column.USER] = user
    view[Column.SEGMENT] = segment
    view[Column.BELIEVED] = believed
    view[Column.THERE] = number_there(a, now, rotation)
    view[Column.ROWS :] = 0.0
    for c in range(first, rotation.first[a + 1]):
        row, shown, clicks, expected = Column.ROWS + (c - first) * WIDTH, 0, 0, 0.0
        for s in range(casting.impressions.shape[1]):
            shown += casting.impressions[c, s]
            clicks += casting.clicks[c, s]
            expected += casting.expected[c, s]
        view[row + Row.THERE] = is_there(c, now, rotation)
        view[row + Row.FORMAT] = casting.format[c]
        view[row + Row.CONTENT] = casting.content[c]
        view[row + Row.SHOWN] = shown
        view[row + Row.CLICKS] = clicks
        view[row + Row.EXPECTED] = expected
        view[row + Row.SHOWN_HERE] = casting.impressions[c, segment]
        view[row + Row.CLICKS_HERE] = casting.clicks[c, segment]
        view[row + Row.EXPECTED_HERE] = casting.expected[c, segment]
        view[row + Row.REPORTED] = casting.reported[c]
        if counts_fatigue(state):
            campaigns = state.bids.live.size
            width = campaigns + state.memory.tire_of
            view[row + Row.EXPOSURES] = remembered_exposures(user, campaigns + c, width, now, state.memory)
        view[row + Row.DICE] = uniform(state.keys[Stream.AUDITION], i, c)


@inlined
def by_chance(i: Any, a: Any, now: Any, state: Any) -> Any:
    """The place among ad a's creatives that is drawn by `casting.answer`; below 0 if one that is not there has a chance."""
    answer, first = state.casting.answer, state.rotation.first[a]
    for place in range(answer.size):
        there = first + place < state.rotation.first[a + 1] and is_there(first + place, now, state.rotation)
        if answer[place] != 0.0 and not there:
            return np.int64(-2)
    return draw_by(answer, uniform(state.keys[Stream.CREATIVE], i, a))


@kernel()
def cast(i: Any, now: Any, a: Any, user: Any, believed: Any, answered: Any, state: Any) -> Any:
    """The creative that ad a, for which somebody decides, shows in request i; `casting.likely` is then how likely that was.

    LEFT_OPEN - 1: whoever runs the world must say it and has not. `believed` is its click rate, whichever creative.
    """
    rotation, casting = state.rotation, state.casting
    first = rotation.first[a]
    casting.likely[0] = 1.0
    if answered:
        chosen, by_answer = by_chance(i, a, now, state), True
    else:
        show(i, now, a, user, believed, state)
        if casting.address[a] == LEFT_OPEN:
            return np.int64(LEFT_OPEN - 1)
        memory = casting.memory[a]
        view, answer, sizes = (
            pointer_to(casting.shown, 0),
            pointer_to(casting.answer, 0),
            (casting.shown.size, casting.answer.size),
        )
        own = memory[2] + 8 * memory[3] * a
        casting.answer[:] = 0.0
        chosen = call_row_rule(casting.address[a], view, sizes[0], answer, sizes[1], memory[0], memory[1], own, memory[3])
        by_answer = chosen == BY_CHANCE
        if by_answer:
            chosen = by_chance(i, a, now, state)
    c = first + chosen
    if not (chosen >= 0 and c < rotation.first[a + 1] and is_there(c, now, rotation)):
        state.control[Control.FAULT] = CAST_BY - a
        return np.int64(creative_of(i, a, now, state.keys, rotation))
    if by_answer:
        total = 0.0
        for chance in casting.answer:
            total += chance
        casting.likely[0] = casting.answer[chosen] / total
    return np.int64(c)


@inlined
def count_cast(c: Any, user: Any, expected: Any, clicked: Any, state: Any) -> None:
    """Counts an impression of creative c, for whoever casts."""
    casting, segment = state.casting, state.rotation.segment[user]
    casting.impressions[c, segment] += 1
    casting.clicks[c, segment] += clicked
    casting.expected[c, segment] += expected


@inlined
def expect_report(a: Any, c: Any, now: Any, report_us: Any, state: Any) -> None:
    """Notes when a conversion that creative c of ad a has brought about will be reported."""
    casting, control = state.casting, state.control
    read_calendar(a, now, state)
    tick = min(report_us // control[Control.TICK_US], control[Control.LAST_TICK])
    casting.reports[tick % casting.reports.shape[0], c] += 1
