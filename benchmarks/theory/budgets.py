"""Budgets and return targets at the multipliers of theory, and the pacing equilibrium found by bidders who learn.

Standard errors come from the variation over ticks of equal size, or over days where a day is one sample: each day starts
with a full budget and, where bidders learn, from nothing.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ...simulator import BidPolicy, BidView, RequestRule, Rule, Scenario
from ...simulator import rule as compiled_rule
from ...simulator.core.arrays import Floats
from .check import Check, equal, ratio, sampled
from .market import Scaled, played, spend, uniform, utility, value, whole_ticks, with_budgets

# Regret (mean, standard error) at budget 1/24 a request and step 5/sqrt(T) over 200 runs of an independent simulation of
# the algorithm of Balseiro & Gur (2019), "Learning in Repeated Auctions with Budgets".
REGRET = {1_000: (13.89, 0.39), 4_000: (27.64, 0.81), 16_000: (56.11, 1.52), 64_000: (119.83, 3.26)}
EQUILIBRIA = ((2, 0.1), (5, 0.05), (10, 0.02))  # bidders, budget of each a request
MU, STEP, TARGET, LEFT = range(4)  # places in the state of the dual rule


def shading(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 8: a utility maximiser with budget rho a request bids k v, k = sqrt(6 rho), against one price U[0, 1].

    `wrong` scales k, for tests that want to see the check fail.
    """
    checks = []
    source = "k=sqrt(6 rho): {}; Balseiro & Gur 2019"
    for denominator in (12, 24, 54):
        rho = 1 / denominator
        k = math.sqrt(6 * rho)
        world = played(uniform(2, whole_ticks(200_000 * effort)), {0: Scaled(wrong * k)}, seed=8)
        name = f"8 second price, budget 1/{denominator} a request"
        checks += [
            sampled(f"{name}: spend", source.format("k^2/6 = rho"), rho, spend(world, 0)),
            sampled(f"{name}: value", source.format("k/3"), k / 3, value(world, 0)),
            sampled(f"{name}: utility", source.format("k/3-k^2/6"), k / 3 - k**2 / 6, utility(world, 0)),
        ]
    return checks + _until_broke(effort, 1 / 12)


def _until_broke(effort: float, rho: float) -> list[Check]:
    """Truthful bids pay 1/6 and win 1/3 a request, so that a unit of budget buys 2 whenever it ends; a day is a sample.

    The bidder stops at its last unit of currency: bids capped at less than the value would buy more for the rest.
    """
    requests = max(2_000, round(10_000 * effort))
    budget = rho * requests
    scenario = uniform(2, requests, ticks_per_day=1, days=max(20, round(60 * effort)))
    world = played(with_budgets(scenario, [budget, None]), {0: UntilBroke()}, seed=8)
    money = world.ledger.spend()[:, 0]
    name, source = "8 truthful until broke", "{}: 1/6 spent, 1/3 won a request; Wald's identity"
    return [
        ratio(f"{name}: value / spend", source.format("2"), 2.0, world.ledger.value()[:, 0], money),
        equal(f"{name}: budgets not spent", "0 days", 0, int(((money > budget) | (money <= budget - 1)).sum())),
    ]


class UntilBroke(BidPolicy):
    """Bids the value while a unit of currency is left, and then nothing."""

    def decide(self, view: BidView) -> RequestRule:
        """See `BidPolicy.decide`."""
        return RequestRule(until_broke_rule(), np.zeros((len(view.campaigns), 0)))


@cache
def until_broke_rule() -> Rule:
    """The compiled rule of `UntilBroke`."""

    def until_broke(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
        """The value in millionths, while there are a million left."""
        return rate * 1e6 if budget_left >= 1_000_000 else 0.0

    return compiled_rule(until_broke)


def return_target(effort: float) -> list[Check]:
    """Check 9: most value at a return of at least tau bids v / x, x = tau - sqrt(tau^2 - 3 (tau - 1))."""
    checks = []
    for tau in (1.25, 1.5, 1.75, 2.0):
        x = tau - math.sqrt(tau**2 - 3 * (tau - 1))
        world = played(uniform(2, whole_ticks(200_000 * effort)), {0: Scaled(1 / x)}, seed=9)
        name, source = f"9 tROAS {tau}", "bid v/x, x=tau-sqrt(tau^2-3(tau-1)): {}; first-order conditions"
        worth, paid = value(world, 0), spend(world, 0)
        checks += [
            sampled(f"{name}: value", source.format(".5-x^2/6"), 0.5 - x**2 / 6, worth),
            sampled(f"{name}: spend", source.format(".5-x/3"), 0.5 - x / 3, paid),
            sampled(f"{name}: value - tau spend", source.format("0"), 0.0, worth - tau * paid),
        ]
    return checks


class Dual(BidPolicy):
    """Shades by 1 / (1 + mu), mu following spend request by request from 0: mu <- max(0, mu - step (target - spent)).

    The balance of budget and time is all it sees (Balseiro & Gur 2019). Starts anew each day. `factors` collects the mean
    of 1 / (1 + mu) over the campaigns held, at the ticks in the second half of each day.
    """

    def __init__(self, step: float, target: float) -> None:
        self.step, self.target = step, target
        self.state = np.zeros((0, 4))
        self.factors: list[list[float]] = []

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        """See `BidPolicy.start`."""
        self.factors = []

    def decide(self, view: BidView) -> RequestRule | None:
        """See `BidPolicy.decide`."""
        if view.tick == 0:
            self.state = np.tile([0.0, self.step, self.target, -1.0], (len(view.campaigns), 1))
            self.factors.append([])
            return RequestRule(dual_rule(), self.state)
        if view.tick >= view.ticks // 2:
            self.factors[-1].append(float((1 / (1 + self.state[:, MU])).mean()))
        return None


@cache
def dual_rule() -> Rule:
    """The compiled rule of `Dual`; made at first use, for it takes half a second."""

    def dual(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
        """Shades by the multiplier, after charging it for what the last request cost."""
        if state[LEFT] >= 0:
            spent = (state[LEFT] - budget_left) * 1e-6
            state[MU] = max(0.0, state[MU] - state[STEP] * (state[TARGET] - spent))
        state[LEFT] = budget_left
        return float(rate * 1e6 / (1.0 + state[MU]))

    return compiled_rule(dual)


def dual_descent(effort: float, step: float = 5.0) -> list[Check]:
    """Check 10: regret of dual descent against .125 a request, on exactly T requests a day; a day is a sample."""
    source = "independent simulation, 200 runs; Balseiro & Gur 2019"
    days = max(20, round(200 * effort))
    checks, points = [], []
    for horizon, (expected, error) in REGRET.items():
        rho = 1 / 24
        scenario = uniform(2, horizon, ticks_per_day=1, days=days)
        policy = Dual(step / math.sqrt(horizon), rho)
        world = played(with_budgets(scenario, [rho * horizon, None]), {0: policy}, seed=10)
        regret = horizon * (0.125 - utility(world, 0))
        check = sampled(f"10 dual descent, T={horizon}: regret", source, expected, regret, error)
        checks.append(check)
        points.append((math.log(horizon), check.measured, regret.std(ddof=1) / math.sqrt(days)))
    return [*checks, _slope(np.array(points), source)]


def _slope(points: Floats, source: str) -> Check:
    """Least-squares slope of log regret in log T, ours beside that of the source; errors by the delta method."""
    weight = points[:, 0] - points[:, 0].mean()
    weight /= weight @ weight
    published = np.array(list(REGRET.values()))
    ours, theirs = (weight @ np.log(regret) for regret in (points[:, 1], published[:, 0]))
    relative = np.concatenate([weight * points[:, 2] / points[:, 1], weight * published[:, 1] / published[:, 0]])
    return Check("10 dual descent: slope of log regret", source, float(theirs), float(ours), float(np.linalg.norm(relative)))


def pacing_factor(pricing: str, n: int, rho: float) -> float:
    """The factor at which n bidders spend rho each a request: rho n (n+1)/(n-1), or in first price rho (n+1)."""
    return rho * (n + 1) * (n / (n - 1) if pricing == "second" else 1)


def pacing_equilibrium(effort: float) -> list[Check]:
    """Check 11: the symmetric pacing equilibrium, set and found; both auctions bring all the budgets."""
    checks = []
    for pricing in ("second", "first"):
        for n, rho in EQUILIBRIA:
            k = pacing_factor(pricing, n, rho)
            world = played(uniform(n, whole_ticks(200_000 * effort), auction__pricing=pricing), Scaled(k), seed=11)
            name, source = f"11 {pricing} price, n={n}, budget {rho}", f"k={k:.4f}: {{}}; Balseiro, Kroer & Kumar 2023"
            checks += [
                sampled(f"{name}: spend of one", source.format("rho"), rho, spend(world, 0)),
                sampled(f"{name}: revenue", source.format("n rho"), n * rho, spend(world)),
            ]
    return checks


def learned_equilibrium(effort: float) -> list[Check]:
    """Check 11, found: n bidders who each follow their own spend arrive at the equilibrium factor; a day is a sample.

    A constant step leaves a bias proportional to it (curvature of spend and of 1 / (1 + mu)), three standard errors here at
    n=10. It is removed by Richardson and Romberg's extrapolation, 2 k(step) - k(2 step), both on the same days (Dieuleveut,
    Durmus & Bach 2020). At the smaller step a deviation dies out over 10,000 requests; half a day of 80,000 is discarded.
    """
    checks = []
    days = max(3, round(10 * effort))
    for pricing in ("second", "first"):
        for n, rho in EQUILIBRIA:
            k = pacing_factor(pricing, n, rho)
            # Budgets far from binding: the rule alone paces, to its target spend a request.
            scenario = uniform(n, 160_000, auction__pricing=pricing, ticks_per_day=80, days=days)
            scenario = with_budgets(scenario, [1e6] * n)
            one, two = (_learned_factor(scenario, Dual(size * 1e-4 / (rho * k), rho)) for size in (1, 2))
            name, source = f"11 {pricing} price, n={n}, budget {rho}: learned k", "Balseiro, Kroer & Kumar 2023"
            checks.append(sampled(name, source, k, 2 * one - two))
    return checks


def _learned_factor(scenario: Scenario, policy: Dual) -> Floats:
    """The mean factor of all bidders in the second half of each day, shape (days,)."""
    played(scenario, policy, seed=11)
    return np.array([np.mean(day) for day in policy.factors])
