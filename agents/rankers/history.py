"""The latest impressions of each user, as of the request: a pass over a log in the order of time, memory flat in its length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...simulator.core.arrays import Integers, Integers32
from ...simulator.core.compiled import kernel


class Past(NamedTuple):
    """What has been seen; U users, L places each, newest last and those before the first empty; R numbers an impression."""

    items: Integers32  # (U, L, R)
    clicked: Integers32  # (U, L) 1 or 0, -1: empty


def new_past(users: int, length: int, numbers: int) -> Past:
    """Nothing has been seen."""
    return Past(np.zeros((users, length, numbers), np.int32), np.full((users, length), -1, np.int32))


def recall(past: Past, user: Integers, request: Integers, item: Integers32, clicked: Integers) -> Past:
    """What users had seen before each of n impressions, (n, L, R) and (n, L); then these are seen too.

    Impressions of one request stand together; none of them is the past of another.

    Args:
        past: is moved on.
        user: (n,) from 0 to U - 1.
        request: (n,).
        item: (n, R) by which an impression is remembered.
        clicked: (n,) 1 or 0.
    """
    shape = user.size, *past.items.shape[1:]
    found = Past(np.empty(shape, np.int32), np.empty(shape[:2], np.int32))
    walk_past(user, request, item, clicked, past.items, past.clicked, found.items, found.clicked)
    return found


@kernel(nogil=True)
def walk_past(
    user: Any, request: Any, item: Any, clicked: Any, items: Any, flags: Any, items_before: Any, flags_before: Any
) -> None:
    """Fills items_before (n, L, R) and flags_before (n, L), request by request; moves items (U, L, R) and flags (U, L) on."""
    n, length = user.size, items.shape[1]
    first = 0
    while first < n:
        end = first + 1
        while end < n and request[end] == request[first]:
            end += 1
        for row in range(first, end):
            for place in range(length):
                flags_before[row, place] = flags[user[row], place]
                for number in range(items.shape[2]):
                    items_before[row, place, number] = items[user[row], place, number]
        for row in range(first, end):
            for place in range(length):
                newest = place + 1 == length
                flags[user[row], place] = clicked[row] if newest else flags[user[row], place + 1]
                for number in range(items.shape[2]):
                    items[user[row], place, number] = item[row, number] if newest else items[user[row], place + 1, number]
        first = end
