"""How much of a size does for the same: against curves turned round by hand, and how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adarena.benchmarks.comparison import needs

SIZES = np.array([2.0, 3.0, 4.0, 6.0, 8.0])
CURVE = 10.0 * SIZES**0.5


def change(earned: np.ndarray, reference: np.ndarray, own: float = 4.0, seed: int = 0) -> needs.Estimate:
    return needs.change(SIZES, earned, reference, own, np.random.default_rng(seed))


@given(st.lists(st.floats(0.1, 9.0), min_size=4, max_size=4), st.floats(0.0, 1.0))
def test_a_rising_curve_is_turned_round(steps: list[float], share: float) -> None:
    curve = np.cumsum([1.0, *steps])
    wanted = curve[0] + share * (curve[-1] - curve[0])
    assert needs.needed(SIZES, curve, np.array(wanted)) == pytest.approx(np.interp(wanted, curve, SIZES))


def test_a_curve_that_falls_again_is_met_where_it_rises_first() -> None:
    assert needs.needed(SIZES, np.array([1.0, 3.0, 2.0, 2.0, 4.0]), np.array(2.5)) == pytest.approx(2.75)
    assert needs.needed(SIZES, np.array([1.0, 3.0, 2.0, 2.0, 4.0]), np.array(3.5)) == pytest.approx(7.5)
    assert needs.needed(SIZES, np.array([3.0, 1.0, 1.0, 1.0, 1.0]), np.array(2.0)) == 2.0


def test_what_lies_beyond_is_the_end_on_that_side() -> None:
    curves = np.stack([CURVE, CURVE, CURVE, np.full(5, 7.0), np.full(5, 7.0)])
    wanted = np.array([CURVE[0] - 1, CURVE[0], CURVE[-1] + 1, 7.5, 7.0])
    np.testing.assert_array_equal(needs.needed(SIZES, curves, wanted), [2, 2, 8, 8, 2])


def test_what_days_share_is_no_uncertainty() -> None:
    """A policy that earns on every day what the reference does with a third more servers needs a quarter fewer, for certain."""
    days = np.exp(np.random.default_rng(1).normal(0.0, 1.0, 12))
    found = change(np.outer(np.interp(SIZES * 4 / 3, SIZES, SIZES), days), 4.0 * days)
    assert found.mean == pytest.approx(-0.25)
    assert found.interval == pytest.approx((-0.25, -0.25))


@pytest.mark.parametrize("days", [1, 7])
def test_few_days_have_no_interval(days: int) -> None:
    found = change(np.outer(CURVE, np.ones(days)), np.full(days, 15.0))
    assert found.interval is None
    assert found.mean == pytest.approx(np.interp(15.0, CURVE, SIZES) / 4 - 1)


@pytest.mark.parametrize("days", [10, 25])
def test_intervals_hold_the_truth(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Days of weather that all share, and luck of each policy and size; the truth is where mean curves meet."""
    monkeypatch.setattr(needs, "DRAWS", 1_000)
    repeats, dice = 600, np.random.default_rng(days)
    own, other = 10.0 * SIZES**0.5, 10.5 * SIZES**0.5
    truth = np.interp(own[2], other, SIZES) / 4 - 1
    held = 0
    for _ in range(repeats):
        weather = np.exp(dice.normal(0.0, 0.4, days) - 0.08)
        luck = dice.normal(1.0, 0.06, (SIZES.size, days))
        interval = change(other[:, None] * weather * luck, own[2] * weather * dice.normal(1.0, 0.06, days)).interval
        assert interval is not None
        held += interval.low <= truth <= interval.high
    print(f"{days} days: {held / repeats:.1%}")
    assert held / repeats == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / repeats))
