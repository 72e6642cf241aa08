"""The pacing equilibrium of a day, found by playing it again, where theory knows it: closed forms, and Eisenberg and Gale.

In first price a pacing equilibrium is a competitive one, of buyers with quasi-linear utility and budgets. It is unique, solves
a convex programme, and brings the more revenue the more budgets and bidders there are (Conitzer et al., Management Science
2022; Cole et al., EC 2017). The programme is given the day's own requests; the other solution comes from the books alone.
"""

from __future__ import annotations

import math

import numpy as np

from ...agents.hindsight.pacing import SPENT, Follows, PacingEquilibrium, pacing_equilibrium
from ...agents.hindsight.pacing_day import best_by_slot, requests_of
from ...agents.pacing.first_price import eisenberg_gale
from ...simulator import Scenario, World
from ...simulator.core.arrays import Floats, Floats32, Integers
from ...simulator.core.money import MICRO
from ...simulator.market.market import build
from .budgets import EQUILIBRIA, pacing_factor
from .check import Check, equal, sampled
from .market import uniform, with_budgets

DAYS, REQUESTS = 4, 6_000  # played in first price, and a day of them
SEEDS, A_DAY = 8, 4_000  # of the market of U[0, 1]
EVERY = 5  # of the campaigns one is given more or taken away
NEARLY = 1e-3  # of revenue: what the searches for two equilibria may differ by


def closed_forms(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 11, found in hindsight: the factors of bidders with values U[0, 1]; a day is a sample.

    One with a budget against one without, in second price: k = sqrt(6 rho). All alike: see `budgets.pacing_factor`. Here
    `SPENT` of rho is spent. `wrong` scales budgets, for tests that want to see the check fail.
    """
    seeds, checks = range(max(3, round(SEEDS * effort))), []

    def factors(pricing: str, budgets: list[float | None]) -> Floats:
        """Means over those with budgets, (seeds,)."""
        market = uniform(len(budgets), A_DAY, auction__pricing=pricing, ticks_per_day=4)
        market = with_budgets(market, [None if b is None else wrong * b * A_DAY for b in budgets])
        limited = [k for k, b in enumerate(budgets) if b is not None]
        return np.array([pacing_equilibrium(market, seed).factor[0, limited].mean() for seed in seeds])

    for rho in (1 / 12, 1 / 24):
        name, found = f"11 equilibrium of a day, second price, budget {rho:.4f} against none", factors("second", [rho, None])
        checks.append(sampled(name, "sqrt(6 rho); Balseiro & Gur 2019", math.sqrt(6 * SPENT * rho), found))
    for pricing in ("second", "first"):
        for n, rho in EQUILIBRIA[:2]:  # among ten bidders the search is as inexact as samples are
            name, source = f"11 equilibrium of a day, {pricing} price, n={n}, budget {rho}", "Balseiro, Kroer & Kumar 2023"
            checks.append(sampled(name, source, pacing_factor(pricing, n, SPENT * rho), factors(pricing, [rho] * n)))
    return checks


class Programme:
    """The dual of Eisenberg and Gale for the requests of a day, whose slots that are seen are divisible goods."""

    def __init__(self, bid: Floats32, seen: Integers, budget: Floats) -> None:
        """`bid` (n, K) for a seen slot, `seen` (n,) slots, `budget` (K,), all in one unit of money."""
        self._bid, self._seen, self.budget = bid, seen, budget

    def won(self, factor: Floats) -> Floats:
        """What campaigns bid unpaced for the slots that they get at such factors, (K,)."""
        total = np.zeros(factor.size)
        for rows, campaign, _ in best_by_slot(factor.astype(np.float32) * self._bid, self._seen):
            total += np.bincount(campaign, self._bid[rows, campaign], factor.size)
        return total

    def dual(self, factor: Floats) -> float:
        """What the equilibrium's factors make least."""
        return float(factor @ self.won(factor) - self.budget @ np.log(factor))


def first_price(pricing: str = "first") -> Scenario:
    """The market of `pacing-small` with fewer requests, under a pricing rule."""
    return Scenario.preset("pacing-small").override({"traffic.requests_per_day": REQUESTS, "auction.pricing": pricing})


def programme_of(market: Scenario, seed: int) -> Programme:
    """That of a day, of which campaigns are to spend `SPENT` of their budgets."""
    known = requests_of(market, seed)
    return Programme(np.ascontiguousarray(known.bid.T), known.seen, SPENT * build(market).campaigns.budget / MICRO)


def convex_programme(effort: float, pricing: str = "first") -> list[Check]:
    """Check 11: what tatonnement on the day itself finds is the solution of the convex programme.

    `pricing` is that of the market, for tests that want to see another one found out.
    """
    market, source, checks = first_price(pricing), "Eisenberg-Gale, quasi-linear; Conitzer et al. 2022", list[Check]()
    for seed in range(max(1, round(DAYS * effort))):
        found, programme = pacing_equilibrium(market, seed), programme_of(market, seed)
        solved = eisenberg_gale(programme.won, programme.budget, np.minimum(build(market).campaigns.prior, 1.0))
        world = World(market, {"pacing": Follows(solved[None])}, seed=seed)
        world.run()
        value, revenue = world.ledger.value().sum() / found.value.sum(), world.ledger.spend().sum() / found.spend.sum()
        apart = np.abs(np.log(solved / found.factor[0]))
        name = f"11 first price, day {seed}"
        checks += [
            equal(f"{name}: dual over its least", source, 1.0, programme.dual(found.factor[0]) / programme.dual(solved), 1e-4),
            equal(f"{name}: score of the programme's factors", source, 1.0, (value + revenue) / 2, 3e-3),
            equal(f"{name}: logs of factors apart, median", source, 0.0, float(np.median(apart)), 2e-3),
            equal(f"{name}: logs of factors apart, most", source, 0.0, float(apart.max()), 1e-2),
        ]
    return checks


def growing(effort: float, times: float = 2.0) -> list[Check]:
    """Check 11: in first price revenue does not fall when a budget grows or a bidder comes.

    `times` is by what a budget is multiplied; below 1, for tests that want to see the check fail.
    """
    market = first_price()
    usual = build(market).campaigns.budget / MICRO
    more, fewer = list[bool](), list[bool]()
    for seed in range(max(1, round(DAYS / 4 * effort))):
        revenue = _revenue(pacing_equilibrium(market, seed))
        for k in range(0, usual.size, EVERY):
            changed, gone = usual.copy(), usual.copy()
            changed[k], gone[k] = times * usual[k], 0.0
            more.append(_revenue(pacing_equilibrium(market, seed, budgets=changed)) >= (1 - NEARLY) * revenue)
            fewer.append(_revenue(pacing_equilibrium(market, seed, budgets=gone)) <= (1 + NEARLY) * revenue)
    return [
        equal(f"11 first price, revenue {what}: times of {len(held)}", "Conitzer et al. 2022", len(held), sum(held))
        for what, held in (("with twice a budget is no less", more), ("with a bidder fewer is no more", fewer))
    ]


def _revenue(found: PacingEquilibrium) -> float:
    return float(found.spend.sum())
