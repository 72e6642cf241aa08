"""What bidders saw, added up: against NumPy, in the order that is promised."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.core.simd import WIDTH
from adarena.simulator.engine.offered import sum_of

NOBODY_LEFT = np.empty(0, np.float32)


@numba.njit(**OPTIONS)
def added(rate: Any, present: Any, first: Any, end: Any, room: Any) -> Any:
    return sum_of(rate, present, first, end, room)


def in_order(numbers: NDArray[np.float32]) -> np.float32:
    """Four sums side by side, of fours of which two and two are added first; what is left over one by one."""
    whole = numbers.size - numbers.size % WIDTH
    sums = np.zeros(4, np.float32)
    for fours in numbers[:whole].reshape(-1, 4, 4):
        sums += (fours[0] + fours[1]) + (fours[2] + fours[3])
    for place, number in enumerate(numbers[whole:]):
        sums[place % 4] += number
    return np.float32((sums[0] + sums[1]) + (sums[2] + sums[3]))


@given(first=st.integers(0, 40), many=st.integers(0, 90), leaves=st.booleans(), seed=st.integers(0, 99))
def test_the_sum_is_that_of_numpy_in_its_order(first: int, many: int, leaves: bool, seed: int) -> None:
    dice = np.random.default_rng(seed)
    rate = dice.random(130, np.float32)
    present = dice.integers(0, 2, 130).astype(np.float32) if leaves else NOBODY_LEFT
    counted = (rate * present if leaves else rate)[first : first + many]
    found = added(rate, present, first, first + many, np.zeros(WIDTH, np.float32))
    assert found == in_order(counted)
    assert abs(found - counted.sum(dtype=np.float64)) <= many * 2**-24 * max(float(found), 1)
