"""The best choice of one option per request under a budget."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.scenario.demand import Objective
from ..objectives import best_score


def choice_bound(values: Any, costs: Any, budget: float) -> float:
    """The linear multiple-choice knapsack: max sum(x v) with sum(x c) <= budget, sum over s of x[i, s] <= 1, x >= 0.

    Solved exactly (Dantzig 1957; Sinha & Zoltners 1979): along the upper hull of each row's options (cost, value) the gains
    per cost fall, so taking all increments in the order of gain per cost, up to the budget, is optimal.

    Args:
        values: (n, S) finite; options of negative value are never taken.
        costs: (n, S) finite, from 0 up, in the unit of `budget`.
        budget: from 0 up; inf: unlimited.

    Raises:
        MarketError: if shapes differ or a number is not allowed.
    """
    if budget == math.inf:
        values, _ = _checked(values, costs, budget)
        return float(values.max(axis=1, initial=0.0).sum())
    _, value = frontier(values, costs, budget)
    return float(value[-1])


def frontier(values: Any, costs: Any, budget: float = math.inf) -> tuple[Floats, Floats]:
    """Corners (spend, value) of V*(S), the most value at a spend of at most S <= budget: concave, straight in between.

    The first corner is what is had for nothing; the last lies at the budget, or where more money brings nothing. Arguments and
    errors as `choice_bound`.
    """
    values, costs = _checked(values, costs, budget)
    free = np.where(costs == 0, np.maximum(values, 0.0), 0.0).max(axis=1, initial=0.0)
    gains, prices = _hull(values, costs, free)
    with np.errstate(over="ignore"):
        order = np.argsort(-(gains / prices), kind="stable")
    gains, prices = gains[order], prices[order]
    spend = np.append(0.0, np.cumsum(prices))
    value = free.sum() + np.append(0.0, np.cumsum(gains))
    whole = int(np.searchsorted(spend, budget, "right"))  # corners within the budget: at least the first
    if whole < spend.size:
        last = value[whole - 1] + gains[whole - 1] * ((budget - spend[whole - 1]) / prices[whole - 1])
        return np.append(spend[:whole], budget), np.append(value[:whole], last)
    return spend, value


def frontier_score(values: Any, costs: Any, budget: float, objective: Objective, worth_of_spend: float = 1.0) -> float:
    """The most score under a budget of at most one option a row; `worth_of_spend` is C, in units of cost over value.

    Raises:
        MarketError: as `choice_bound`, or if `worth_of_spend` is not above 0.
    """
    if not 0 < worth_of_spend < math.inf:
        raise MarketError(f"the worth of spend is a finite number above 0, not {worth_of_spend}")
    return best_score(objective, *frontier(values, costs, budget), worth_of_spend)


def _checked(values: Any, costs: Any, budget: float) -> tuple[Floats, Floats]:
    values, costs = np.asarray(values, np.float64), np.asarray(costs, np.float64)
    if values.ndim != 2 or values.shape != costs.shape:
        raise MarketError(f"values and costs need one shape (n, S), not {values.shape} and {costs.shape}")
    if not (np.isfinite(values).all() and np.isfinite(costs).all() and (costs >= 0).all()):
        raise MarketError("values must be finite, and costs finite and from 0 up")
    if not budget >= 0:
        raise MarketError(f"a budget is a number from 0 up, not {budget}")
    return values, costs


def _hull(values: Floats, costs: Floats, free: Floats) -> tuple[Floats, Floats]:
    """Increments (value, cost > 0) along the upper hull of each row's options, from its best free value up, all rows in one."""
    value, cost = free.copy(), np.zeros_like(free)
    rows = np.arange(len(free))
    gains, prices = [np.zeros(0)], [np.zeros(0)]
    while rows.size:
        more_value, more_cost = values[rows] - value[rows, None], costs[rows] - cost[rows, None]
        better = (more_value > 0) & (more_cost > 0)
        slope = np.zeros_like(more_value)
        with np.errstate(over="ignore"):
            np.divide(more_value, more_cost, out=slope, where=better)
        steepest = slope.argmax(axis=1)
        going = np.flatnonzero(better.any(axis=1))
        at = steepest[going]
        gains.append(more_value[going, at])
        prices.append(more_cost[going, at])
        rows = rows[going]
        value[rows], cost[rows] = values[rows, at], costs[rows, at]
    return np.concatenate(gains), np.concatenate(prices)
