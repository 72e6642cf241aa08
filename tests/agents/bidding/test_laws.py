"""What bidders work out campaign by campaign is what NumPy makes of the same formulas for all at once, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adarena.agents.bidding.laws import DEPLETED, all_budgets, all_shares, all_short, steer
from adarena.simulator.seats.bidding.decisions import are_allowed
from adarena.simulator.seats.bidding.view import all_due

HELD = 5
shares = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 1)), min_size=HELD, max_size=HELD).map(np.array)
amounts = st.lists(st.one_of(st.floats(0, 1e6), st.just(np.inf), st.just(0.0)), min_size=HELD, max_size=HELD).map(np.array)
flags = st.lists(st.booleans(), min_size=HELD, max_size=HELD).map(np.array)
gains = st.tuples(st.floats(0, 40), st.one_of(st.just(0.0), st.floats(0.01, 10)), st.one_of(st.just(0.0), st.floats(0.1, 10)))


def divided(x: Any, y: Any) -> Any:
    return np.divide(x, y, out=np.zeros(HELD), where=y > 0)


def filled(kernel: Any, *arguments: Any) -> Any:
    out = np.full(HELD, np.nan)
    kernel(*arguments, out)
    return out


@given(st.floats(0, 1), shares)
def test_what_is_due(elapsed: float, reach: Any) -> None:
    assert np.array_equal(filled(all_due, elapsed, reach), divided(elapsed - (1 - reach), reach))


@given(st.floats(0, 1), shares)
def test_the_share_within_reach(coming: float, reach: Any) -> None:
    assert np.array_equal(filled(all_shares, coming, reach), divided(coming, reach))


@given(st.floats(0, 1), shares, amounts, shares)
def test_the_budget_of_a_tick(coming: float, reach: Any, budget: Any, kept: Any) -> None:
    left = np.where(np.isinf(budget), np.inf, np.where(np.isinf(budget), 0, budget) * kept)
    limited, rest = (np.where(np.isinf(budget), 0.0, money) for money in (budget, left))
    expected = np.where(rest > DEPLETED * limited, np.minimum(limited * divided(coming, reach), rest), 0.0)
    assert np.array_equal(filled(all_budgets, coming, reach, budget, left), expected)


@given(shares, shares, flags)
def test_by_how_much_less_was_spent(wanted: Any, spend: Any, learns: Any) -> None:
    expected = np.divide(wanted - spend, wanted, out=np.zeros(HELD), where=(wanted > 0) & learns)
    assert np.array_equal(filled(all_short, wanted, spend, learns), expected)


@given(st.floats(0, 1), shares, shares, amounts, flags, gains, st.floats(0.1, 3), shares, shares)
def test_the_controller(
    elapsed: float, reach: Any, spent: Any, budget: Any, could_bid: Any, gains: Any, bound: float, summed: Any, before: Any
) -> None:
    kp, ki, kd = gains
    error = np.where(budget < np.inf, divided(elapsed - (1 - reach), reach) - spent, 0.0)
    push, total = kp * error, summed
    if ki > 0:
        total = np.clip(summed + np.where(could_bid, error, 0.0), -bound / ki, bound / ki)
        push = push + ki * total
    if kd > 0:
        push = push + kd * (error - before)
    kept_sum, kept_before = summed.copy(), before.copy()
    found = filled(steer, elapsed, reach, spent, budget, could_bid, kp, ki, kd, bound, kept_sum, kept_before)
    assert np.array_equal(found, np.clip(push, -bound, bound))
    assert np.array_equal(kept_sum, total)
    assert np.array_equal(kept_before, error)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6).map(lambda found: np.array(found, np.float64)))
def test_which_multipliers_are_allowed(values: Any) -> None:
    assert are_allowed(values) == bool(((values >= 0) & (values <= 1e9)).all())
