"""The search for the best constant, on scores that are known: by hand, and over all places of the grid."""

import math

import numpy as np
import pytest

from adarena.agents.hindsight.static import FARTHEST, HALVINGS, Scale, best_constant
from adarena.simulator import MarketError


@pytest.mark.parametrize("peak", [0.05, 0.7, 1.0, 3.3, 40.0])
def test_a_single_peak_is_found_wherever_it_is(peak: float) -> None:
    scale = Scale(1.0, lambda number: number)
    played = []
    best = best_constant(scale, lambda number: played.append(number) or 10.0 - abs(math.log(number / peak)))
    assert abs(math.log(best.constant / peak)) <= math.log(1.01) / 2 * (1 + 1e-9)  # the nearest of the grid
    assert best.policy == best.constant in played
    assert best.score == 10.0 - abs(math.log(best.constant / peak))
    assert len(played) == len(set(played)) < 40


def test_the_higher_of_two_peaks_is_found() -> None:
    def score(number: float) -> float:
        return 5.0 + max(1.0 - 8 * abs(math.log(number / 0.5)), 1.2 - 8 * abs(math.log(number / 2.2)))

    scale = Scale(1.0, lambda number: number)
    grid = [scale.at(place) for place in range(-300, 301)]
    assert best_constant(scale, score).score == max(score(number) for number in grid)


def test_what_brings_nothing_is_raised_until_it_does_or_the_search_gives_up() -> None:
    scale = Scale(2.0, lambda number: number)
    assert best_constant(scale, lambda number: max(number - 1e4, 0.0) and min(number, 1e5)).score == 1e5
    tried: list[float] = []
    nothing = best_constant(scale, lambda number: tried.append(number) or 0.0)
    assert nothing.score == 0.0
    assert max(tried) == pytest.approx(scale.at(FARTHEST << HALVINGS))


def test_of_a_sequence_each_is_played_once_and_the_earliest_of_equals_is_best() -> None:
    played: list[str] = []
    scores = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 3.0}
    best = best_constant(list(scores), lambda policy: played.append(policy) or scores[policy])
    assert best == (1, "b", 3.0)
    assert played == list("abcd")
    with pytest.raises(MarketError, match="at least one constant"):
        best_constant([], lambda _: 0.0)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -0.1, float("nan"), "much", True])
def test_a_tolerance_that_is_none_is_refused(tolerance: object) -> None:
    with pytest.raises(MarketError, match="the tolerance of a search lies between 0 and 1"):
        Scale(1.0, lambda number: number, tolerance)  # type: ignore[arg-type]


def test_a_scale_is_geometric() -> None:
    scale = Scale(3.0, lambda number: number, 0.05)
    places = np.array([scale.at(place) for place in range(-5, 6)])
    np.testing.assert_allclose(places[1:] / places[:-1], 1.05)
    assert scale.at(0) == 3.0
