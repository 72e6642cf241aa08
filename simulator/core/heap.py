"""A binary heap in arrays, for compiled code: what comes next, by time and at one instant by a number of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arrays import Integers
from .compiled import inlined


class Heap(NamedTuple):
    """Entries in the order of a heap, a column for each of their numbers; there is room for n."""

    size: Integers  # (1,) how many there are
    time: Integers  # (n,)
    number: Integers  # (n,) no two entries have the same
    first: Integers  # (n,) two numbers that an entry carries with it
    second: Integers  # (n,)


def new_heap(room: int) -> Heap:
    """An empty heap with room for so many entries."""
    return Heap(np.zeros(1, np.int64), *(np.zeros(room, np.int64) for _ in range(4)))


def copied(heap: Heap, room: int) -> Heap:
    """A copy with room for so many entries, which may be fewer than it has now but not fewer than are in it."""
    used, copy = int(heap.size[0]), new_heap(room)
    for old, new in zip(heap[1:], copy[1:], strict=True):
        new[:used] = old[:used]
    copy.size[0] = used
    return copy


@inlined
def push(time: Any, number: Any, first: Any, second: Any, heap: Any) -> None:
    """Puts an entry into a heap that has room."""
    place = heap.size[0]
    heap.size[0] = place + 1
    while place > 0:
        above = (place - 1) // 2
        if goes_first(heap.time[above], heap.number[above], time, number):
            break
        move(above, place, heap)
        place = above
    heap.time[place], heap.number[place], heap.first[place], heap.second[place] = time, number, first, second


@inlined
def pop(heap: Any) -> Any:
    """Takes the first entry off the heap: its time, its number and what it carries."""
    taken = heap.time[0], heap.number[0], heap.first[0], heap.second[0]
    last = heap.size[0] - 1
    heap.size[0] = last
    time, number, place = heap.time[last], heap.number[last], 0
    while 2 * place + 1 < last:
        below = 2 * place + 1
        other = below + 1
        if other < last and goes_first(heap.time[other], heap.number[other], heap.time[below], heap.number[below]):
            below = other
        if not goes_first(heap.time[below], heap.number[below], time, number):
            break
        move(below, place, heap)
        place = below
    move(last, place, heap)
    return taken


@inlined
def move(old: Any, new: Any, heap: Any) -> None:
    """Copies an entry."""
    heap.time[new], heap.number[new], heap.first[new], heap.second[new] = (
        heap.time[old], heap.number[old], heap.first[old], heap.second[old],
    )  # fmt: skip


@inlined
def goes_first(time: Any, number: Any, other_time: Any, other_number: Any) -> Any:
    """Whether one entry comes before another."""
    return time < other_time or (time == other_time and number < other_number)
