"""The heap of compiled code against Python's."""

import heapq
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.simulator.core.compiled import kernel
from adarena.simulator.core.heap import Entry, copied, new_heap, pop, push


@kernel()
def played(times: Any, heap: Any, out: Any) -> Any:
    """Pushes the times from 0 up, numbered as they come, and pops an entry for each of -1; returns how many it has popped."""
    found = 0
    for number in range(times.size):
        if times[number] >= 0:
            push(times[number], number, 10 * number, -number, heap)
        else:
            out[found, 0], out[found, 1], out[found, 2], out[found, 3] = pop(heap)
            found += 1
    return found


def in_python(times: list[int]) -> list[tuple[int, ...]]:
    heap: list[tuple[int, ...]] = []
    out = []
    for number, time in enumerate(times):
        if time >= 0:
            heapq.heappush(heap, (time, number, 10 * number, -number))
        else:
            out.append(heapq.heappop(heap))
    return out


@settings(deadline=None)
@given(st.lists(st.integers(-1, 5), max_size=80))
def test_what_comes_next_is_what_pythons_heap_says(times: list[int]) -> None:
    waiting, allowed = 0, []
    for time in times:  # nothing is taken from an empty heap
        if time >= 0 or waiting:
            allowed.append(time)
            waiting += 1 if time >= 0 else -1
    heap, out = new_heap(len(allowed) + 1), np.zeros((len(allowed) + 1, len(Entry)), np.int64)
    found = played(np.array(allowed, np.int64), heap, out)
    assert [tuple(row) for row in out[:found].tolist()] == in_python(allowed)
    assert heap.size[0] == waiting


def test_a_copy_with_other_room_goes_on_alike_and_leaves_the_first_alone() -> None:
    heap, out = new_heap(8), np.zeros((4, len(Entry)), np.int64)
    played(np.array([5, 3, 9, 3]), heap, out)
    larger = copied(heap, 20)
    assert len(copied(heap, 4).entries) == 4
    assert played(np.array([-1, -1, -1, -1]), larger, out) == 4
    assert out[:, Entry.TIME].tolist() == [3, 3, 5, 9]
    assert out[:, Entry.NUMBER].tolist() == [1, 3, 0, 2]
    assert (heap.size[0], larger.size[0]) == (4, 0)
