"""A binary heap in arrays, for compiled code: what comes next, by time and at one instant by a number of its own."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from .arrays import Integers
from .compiled import inlined


class Entry(IntEnum):
    """Columns of Heap.entries."""

    TIME = 0
    NUMBER = 1  # no two entries have the same
    FIRST = 2  # two numbers that an entry carries with it
    SECOND = 3


class Heap(NamedTuple):
    """Entries in the order of a heap; there is room for n."""

    size: Integers  # (1,) how many there are
    entries: Integers  # (n, len(Entry))


def new_heap(room: int) -> Heap:
    """An empty heap with room for so many entries."""
    return Heap(np.zeros(1, np.int64), np.zeros((room, len(Entry)), np.int64))


def copied(heap: Heap, room: int) -> Heap:
    """A copy with room for so many entries, which may be fewer than it has now but not fewer than are in it."""
    size, used = heap.size.copy(), int(heap.size[0])
    return Heap(size, np.pad(heap.entries[:used], ((0, room - used), (0, 0))))


@inlined
def push(time: Any, number: Any, first: Any, second: Any, heap: Any) -> None:
    """Puts an entry into a heap that has room."""
    entries, place = heap.entries, heap.size[0]
    heap.size[0] = place + 1
    while place > 0:
        above = (place - 1) // 2
        if goes_first(entries[above, Entry.TIME], entries[above, Entry.NUMBER], time, number):
            break
        move(above, place, entries)
        place = above
    entries[place, Entry.TIME], entries[place, Entry.NUMBER] = time, number
    entries[place, Entry.FIRST], entries[place, Entry.SECOND] = first, second


@inlined
def pop(heap: Any) -> Any:
    """Takes the first entry off the heap: its time, its number and what it carries."""
    entries, last, place = heap.entries, heap.size[0] - 1, 0
    heap.size[0] = last
    taken = entries[0, Entry.TIME], entries[0, Entry.NUMBER], entries[0, Entry.FIRST], entries[0, Entry.SECOND]
    time, number = entries[last, Entry.TIME], entries[last, Entry.NUMBER]
    while 2 * place + 1 < last:
        below = 2 * place + 1
        time_below, number_below = entries[below, Entry.TIME], entries[below, Entry.NUMBER]
        if below + 1 < last:
            time_beside, number_beside = entries[below + 1, Entry.TIME], entries[below + 1, Entry.NUMBER]
            if goes_first(time_beside, number_beside, time_below, number_below):
                below, time_below, number_below = below + 1, time_beside, number_beside
        if not goes_first(time_below, number_below, time, number):
            break
        move(below, place, entries)
        place = below
    move(last, place, entries)
    return taken


@inlined
def move(old: Any, new: Any, entries: Any) -> None:
    """Copies an entry."""
    for column in range(4):
        entries[new, column] = entries[old, column]


@inlined
def goes_first(time: Any, number: Any, other_time: Any, other_number: Any) -> Any:
    """Whether one entry comes before another."""
    return time < other_time or (time == other_time and number < other_number)
