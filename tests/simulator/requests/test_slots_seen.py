"""How many slots users see: drawn for a block at once and for each by himself, and as often as is said."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from adarena.simulator.core.chance import stream_keys
from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.requests.surfaces import draw_slots_seen, slots_seen_by

SEEN = np.array([[0.9, 0.5, 0.7], [0.2, 1.0, 0.0], [1.0, 1.0, 1.0]])  # (surfaces, slots) given the one before was
REQUESTS = 20_000


@numba.njit(**OPTIONS)
def one_by_one(keys: Any, first: Any, seen: Any, surface: Any, out: Any) -> None:
    for j in range(out.size):
        out[j] = slots_seen_by(keys, first + j, seen[surface[j]])


@pytest.mark.parametrize("several", [False, True])
def test_a_slot_is_seen_as_often_as_is_said_once_the_one_before_was(several: bool) -> None:
    keys, found, alone = stream_keys(3), np.full(REQUESTS, 9), np.full(REQUESTS, 9)
    surface = np.arange(REQUESTS) % 3 if several else np.zeros(REQUESTS, np.int64)
    draw_slots_seen(keys, 1000, SEEN, surface if several else np.empty(0, np.int64), found)
    one_by_one(keys, 1000, SEEN, surface, alone)
    np.testing.assert_array_equal(found, alone)
    for place in range(3 if several else 1):
        its = found[surface == place]
        for slot in range(3):
            asked, likely = np.count_nonzero(its >= slot), SEEN[place, slot]
            assert abs(np.count_nonzero(its > slot) - asked * likely) <= 4 * np.sqrt(asked * likely * (1 - likely))
