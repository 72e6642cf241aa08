"""The best few of many numbers, sixteen side by side, against sorting."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError

from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.core.ladder import NONE, entered, nobody, write_words
from adarena.simulator.core.simd import WIDTH
from adarena.simulator.core.sixteen import load


def climber(places: int) -> Any:
    @numba.njit(**OPTIONS)
    def climb(numbers: Any, marks: Any, top: Any, lane: Any) -> None:
        ladder = nobody(places)
        for k in range(marks.size):
            ladder = entered(ladder, load(numbers[k], 0), marks[k])
        write_words(ladder, top, lane)

    return climb


CLIMBERS = {places: climber(places) for places in (1, 3, 4)}


@given(places=st.sampled_from(sorted(CLIMBERS)), many=st.integers(0, 12), lane=st.integers(0, 3), data=st.data())
def test_the_best_stand_in_order_and_equals_as_they_came(places: int, many: int, lane: int, data: Any) -> None:
    few = st.sampled_from([NONE, 0.0, 1.0, 2.0, 2.5, 1e30])
    numbers = np.array(data.draw(st.lists(few, min_size=many * WIDTH, max_size=many * WIDTH)), np.float32).reshape(many, WIDTH)
    marks = np.array(data.draw(st.permutations(range(many))), np.int64)
    top = np.full((places, WIDTH + 3), 7, np.int64)
    CLIMBERS[places](numbers, marks, top, lane)
    for column in range(WIDTH):
        order = sorted((k for k in range(many) if numbers[k, column] >= 0), key=lambda k: -float(numbers[k, column]))[:places]
        words = [(int(numbers[k, column].view(np.int32)) << 32) | int(marks[k]) for k in order]
        assert top[:, lane + column].tolist() == words + [0] * (places - len(words))
    top[:, lane : lane + WIDTH] = 7
    assert (top == 7).all()  # nothing but those is written


def test_a_ladder_has_a_constant_number_of_places() -> None:
    @numba.njit(**OPTIONS)
    def climb(places: Any, top: Any) -> None:
        write_words(nobody(places), top, 0)

    with pytest.raises(TypingError, match="the places of a ladder are a constant from 1 up"):
        climb(3, np.zeros((3, WIDTH), np.int64))


def test_a_ladder_is_written_to_rows_of_whole_numbers() -> None:
    with pytest.raises(TypingError, match="int64, \\(places, lanes\\) in one piece"):
        CLIMBERS[3](np.zeros((1, WIDTH), np.float32), np.zeros(1, np.int64), np.zeros((WIDTH, 3), np.int64).T, 0)
