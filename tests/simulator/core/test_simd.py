"""Sixteen numbers at once, against NumPy."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError

from adarena.simulator.core import simd
from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.core.simd import WIDTH

KINDS = (np.float32, np.int32)


@numba.njit(**OPTIONS)
def _all_of_them(numbers: Any, first: Any, limit: Any, found: Any, places: Any, free: Any) -> Any:
    """Bits of what exceeds a limit, how many they are, the lowest, the smallest and the largest; what exceeds it, packed."""
    bits = simd.above(numbers, first, limit)
    simd.pack(numbers, first, bits, found, free)
    simd.pack_places(first, bits, places, free)
    lowest = simd.lowest(bits) if bits else -1
    return bits, simd.count(bits), lowest, simd.smallest(numbers, first), simd.largest(numbers, first)


@given(
    kind=st.sampled_from(KINDS),
    first=st.integers(0, 5),
    free=st.integers(0, 5),
    rank=st.integers(-1, WIDTH - 1),
    data=st.data(),
)
def test_sixteen_at_once_do_what_numpy_does(kind: Any, first: int, free: int, rank: int, data: Any) -> None:
    few = st.integers(-3, 3) | st.integers(-(2**31), 2**31 - 128)  # the last so that float32 does not exceed int32
    numbers = np.array(data.draw(st.lists(few, min_size=WIDTH + 5, max_size=WIDTH + 5))).astype(kind)
    part = numbers[first : first + WIDTH]
    limit = kind(-(2**31)) if rank < 0 else np.sort(part)[rank]
    found, places = np.full(WIDTH + 7, 9, kind), np.full(WIDTH + 7, 9, np.int32)
    bits, many, lowest, small, large = _all_of_them(numbers, first, limit, found, places, free)
    exceeding = np.flatnonzero(part > limit)
    assert bits == sum(1 << int(place) for place in exceeding)
    assert many == exceeding.size
    assert lowest == (exceeding[0] if many else -1)
    assert (small, large) == (part.min(), part.max())
    np.testing.assert_array_equal(found[free : free + many], part[exceeding])
    np.testing.assert_array_equal(places[free : free + many], first + exceeding)
    for target in (found, places):  # nothing but that room is written
        assert (target[:free] == 9).all()
        assert (target[free + WIDTH :] == 9).all()


def test_nothing_exceeds_nan_and_nan_exceeds_nothing() -> None:
    numbers = np.array([1.0, np.nan] * 8, np.float32)

    @numba.njit(**OPTIONS)
    def bits(limit: Any) -> Any:
        return simd.above(numbers, 0, limit)

    assert bits(np.float32(0)) == 0x5555
    assert bits(np.float32(np.nan)) == 0


@pytest.mark.parametrize("numbers", [np.zeros(16), np.zeros(32, np.float32)[::2], np.zeros((2, 16), np.int32)])
def test_numbers_are_of_four_bytes_in_one_piece(numbers: Any) -> None:
    @numba.njit(**OPTIONS)
    def largest(numbers: Any) -> Any:
        return simd.largest(numbers, 0)

    with pytest.raises(TypingError, match="from float32 or int32 in one piece"):
        largest(numbers)
