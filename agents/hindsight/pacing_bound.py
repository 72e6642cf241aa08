"""An upper bound on what pacing could have brought on a day, by prices for the budgets. For judges only."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import optimize

from ...simulator.core.arrays import Floats, Floats32, Integers
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.market.market import build
from ...simulator.population.campaigns import Billing
from ...simulator.scenario.tree import Scenario
from .pacing_day import best_by_slot, requests_of

ROUNDING = 1 + 2.0**-20  # of bids and ranks, that are float32 in the market too


def pacing_bound(scenario: Scenario, seed: int, per_value: float, per_revenue: float) -> float:
    """The most of per_value V + per_revenue R on the days of a seed, V their true value and R their revenue, in currency.

    For whatever holds the pacing seat while campaigns bid their targets. Let x be which campaigns k are shown at which seen
    slots, v what such a slot is truly worth and b what k bids for it unpaced. Nobody is paced above b, and no price is above
    the bid, so that what k spends is at most R_k <= sum of x b; and it is at most the budget, R_k <= B_k. With any share
    l_k from 0 to c of the weight c of revenue

        c R_k  =  l_k R_k + (c - l_k) R_k  <=  l_k sum of x b + (c - l_k) B_k,

    and with w the weight of value, whatever x is,

        w V + c R  <=  sum over requests of the best choice for the seen slots by w v + l_k b   +   sum over k of (c - l_k) B_k.

    That is the Lagrangian dual of choosing x freely within budgets, with payments of b: convex and piecewise linear in l, and
    minimised here day by day. Any l gives a bound, so that it holds however near the search comes to the least one. Which slots
    are seen is taken as it was, so that no luck is left in it.

    Raises:
        MarketError: as `requests_of`, or if a campaign does not pay by impression.
    """
    table = build(scenario).campaigns
    for name, billing in zip(table.names, table.billing, strict=True):
        if billing != Billing.CPM:
            raise MarketError(f"a bound on pacing needs campaigns that pay by impression, and {name!r} does not (billing)")
    known = requests_of(scenario, seed)
    budget = np.where(table.budget < UNLIMITED // 2, table.budget / MICRO, np.inf)
    ends = np.searchsorted(known.day, np.arange(scenario.days + 1))
    total = 0.0
    for first, end in pairwise(ends):
        day = slice(first, end)
        worth, bid = per_value * known.worth[:, day].T, per_revenue * ROUNDING * known.bid[:, day].T
        total += _of_day(np.ascontiguousarray(worth), np.ascontiguousarray(bid), known.seen[day], budget, per_revenue)
    return total


def _of_day(worth: Floats32, bid: Floats32, seen: Integers, budget: Floats, per_revenue: float) -> float:
    """The least bound of a day; `worth` and `bid` (n, K) by their weights, `budget` (K,) in currency."""
    limited = np.isfinite(budget)
    money = per_revenue * np.where(limited, budget, 0.0)

    def dual(share: Floats) -> tuple[float, Floats]:
        """The bound where l is such a share of c, (K,), and its slope."""
        total, won = float((1 - share) @ money), np.zeros_like(money)
        chosen = worth + share.astype(np.float32) * bid
        for rows, campaign, its in best_by_slot(chosen, seen):
            total += float(its.sum(dtype=np.float64))
            won += np.bincount(campaign, bid[rows, campaign], won.size)
        return total, won - money

    box = [(0.0, 1.0) if has_end else (1.0, 1.0) for has_end in limited]
    found = optimize.minimize(dual, np.where(limited, 0.5, 1.0), jac=True, method="L-BFGS-B", bounds=box)
    return float(found.fun)
