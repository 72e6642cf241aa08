"""The theory of pacing: that its programme is solved right, by somebody else's solver, and that wrong markets are found out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from adarena.agents.pacing.first_price import eisenberg_gale
from adarena.benchmarks.theory import pacing


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_programme_of_a_day_is_solved_as_by_a_general_solver(seed: int) -> None:
    """In x = log m, from elsewhere, by L-BFGS with bounds."""
    programme = pacing.programme_of(pacing.first_price(), seed)
    ours = eisenberg_gale(programme.won, programme.budget, np.full(24, 0.5))

    def dual(x: np.ndarray) -> tuple[float, np.ndarray]:
        factor = np.exp(x)
        return programme.dual(factor), factor * programme.won(factor) - programme.budget

    found = optimize.minimize(dual, np.full(24, -2.0), jac=True, method="L-BFGS-B", bounds=[(None, 0.0)] * 24)
    assert found.fun * (1 - 1e-5) < programme.dual(ours) < found.fun * (1 + 3e-4)
    assert np.abs(np.log(ours) - found.x).max() < 0.02


def test_the_dual_is_least_at_the_solution() -> None:
    """No other factors make it less; and it is convex in their logs."""
    programme = pacing.programme_of(pacing.first_price(), 0)
    solved = eisenberg_gale(programme.won, programme.budget, np.full(24, 0.5))
    dice = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):
        other = np.minimum(solved * np.exp(scale * dice.normal(size=24)), 1.0)
        assert programme.dual(other) > programme.dual(solved) * (1 - 1e-5)
        middle = np.sqrt(other * solved)
        assert programme.dual(middle) <= (programme.dual(other) + programme.dual(solved)) / 2 * (1 + 1e-6)


def test_in_the_generalised_second_price_the_programme_is_not_the_markets() -> None:
    wrong = pacing.convex_programme(0.25, pricing="gsp")
    assert [check.passed for check in wrong] == [False] * len(wrong)


def test_revenue_that_falls_is_found_out() -> None:
    more, _ = pacing.growing(1.0, times=0.5)
    assert not more.passed


def test_budgets_that_are_not_those_of_the_formula_are_found_out() -> None:
    wrong = pacing.closed_forms(0.5, wrong=1.2)
    assert all(abs(check.sigmas) > 5 for check in wrong)
