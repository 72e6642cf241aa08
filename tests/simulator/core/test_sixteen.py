"""Sixteen numbers as one value, against NumPy."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError

from adarena.simulator.core import sixteen
from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.core.simd import WIDTH

# Few enough digits that float64 has their products, and sums of these, exactly.
NUMBERS = st.lists(st.integers(-(2**20), 2**20).map(lambda n: n / 64), min_size=WIDTH + 3, max_size=WIDTH + 3)


@numba.njit(**OPTIONS)
def _all_of_them(a: Any, b: Any, first: Any, out: Any) -> None:
    """Rows of what each operation makes of sixteen numbers from `first` on, with the last number of b."""
    x, y, z = sixteen.load(a, first), sixteen.load(b, first), sixteen.repeat(b, b.size - 1)
    sixteen.store(out[0], first, x + y)
    sixteen.store(out[1], first, x - y)
    sixteen.store(out[2], first, x * y)
    sixteen.store(out[3], first, x / y)
    sixteen.store(out[4], first, sixteen.fused(x, y, z))
    sixteen.store(out[5], first, sixteen.floor(x))
    sixteen.store(out[6], first, sixteen.smaller(x, y))
    sixteen.store(out[7], first, sixteen.larger(x, y))
    sixteen.store(out[8], first, sixteen.where_at_least(x, y, z, y))


@given(a=NUMBERS, b=NUMBERS, first=st.integers(0, 3))
def test_sixteen_numbers_are_as_numpy_has_them(a: list[float], b: list[float], first: int) -> None:
    x, y = np.array(a, np.float32), np.array(b, np.float32)
    out, part = np.full((9, WIDTH + 3), 7, np.float32), slice(first, first + WIDTH)
    _all_of_them(x, y, first, out)
    p, q, last = x[part], y[part], y[-1]
    once = (p.astype(np.float64) * q + np.float64(last)).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = [p + q, p - q, p * q, p / q, once, np.floor(p), np.minimum(p, q), np.maximum(p, q)]
    expected.append(np.where(p >= q, last, q))
    for row, wanted in enumerate(expected):
        np.testing.assert_array_equal(out[row, part], wanted)
    out[:, part] = 7
    assert (out == 7).all()  # nothing but those is written


def test_powers_of_two_are_exact() -> None:
    @numba.njit(**OPTIONS)
    def powers(exponents: Any) -> None:
        sixteen.store(exponents, 0, sixteen.power_of_two(sixteen.load(exponents, 0)))

    for first in range(-126, 112, WIDTH - 1):
        exponents = np.arange(first, first + WIDTH, dtype=np.float32)
        expected = np.exp2(exponents.astype(np.float64))
        powers(exponents)
        np.testing.assert_array_equal(exponents, expected)


def test_a_sum_that_two_roundings_would_lose_is_kept() -> None:
    @numba.njit(**OPTIONS)
    def summed(x: Any, y: Any, z: Any) -> None:
        sixteen.store(z, 0, sixteen.fused(sixteen.load(x, 0), sixteen.load(y, 0), sixteen.load(z, 0)))

    x = np.full(WIDTH, 1 + 2**-12, np.float32)  # its square has 2^-24 behind the last place
    z = -np.full(WIDTH, 1 + 2**-11, np.float32)
    summed(x, x, z)
    np.testing.assert_array_equal(z, np.float32(2**-24))


def test_a_square_is_turned_round_in_its_place() -> None:
    @numba.njit(**OPTIONS)
    def turned(numbers: Any) -> None:
        sixteen.turn(numbers, 3)

    numbers = np.arange(WIDTH * WIDTH + 8, dtype=np.float32)
    expected = numbers.copy()
    expected[3:-5] = numbers[3:-5].reshape(WIDTH, WIDTH).T.ravel()
    turned(numbers)
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("array", [np.zeros(WIDTH), np.zeros((2, WIDTH), np.float32), np.zeros(WIDTH * 2, np.float32)[::2]])
def test_other_arrays_are_refused(array: Any) -> None:
    @numba.njit(**OPTIONS)
    def loaded(numbers: Any) -> None:
        sixteen.store(numbers, 0, sixteen.load(numbers, 0))

    with pytest.raises(TypingError, match="sixteen numbers are of float32 in one piece"):
        loaded(array)
