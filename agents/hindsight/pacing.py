"""The pacing equilibrium of a day in hindsight, by playing the day again and again. For judges only.

Of all vectors of constant factors it is the one in which nobody's budget is left for want of bids and nobody's ends before the
day. An adaptive policy may exceed it: it is a yardstick, no bound (`pacing_bound` has one).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ...simulator.world import World

ROUNDS = 60  # of tatonnement, at most
NEAR = 0.003  # share of its budget by which nobody's spend is off what is wanted when the search ends
SPENT = 0.99  # share of a budget that is to be spent: the last auctions of a day should not run into its end
LEAST = 1e-3  # factor
FIRST_STEP, LONGEST = 0.6, 1.0  # of a round, in logs of spend
SHORTER, LONGER = 0.5, 1.2  # by what a campaign's step is multiplied after it has turned back, and if it goes on
FURTHEST = 4.0  # by what factor spend counts as too much or too little in a round


class Follows(PacingPolicy):
    """Factors that were laid down beforehand, (days, K), for each day and each campaign of the market."""

    def __init__(self, factor: Floats) -> None:
        self._factor = factor

    def decide(self, view: PacingView) -> Pace | None:
        return Pace(self._factor[view.told.day, view.places]) if view.told.tick == 0 else None


class PacingEquilibrium(NamedTuple):
    """A pacing equilibrium of the days of a seed, and what it brings; arrays (days, K), money in currency."""

    factor: Floats  # on bids, at most 1
    value: Floats  # true expected value of the slots won and seen
    spend: Floats
    slack: Floats  # how far spend is from the budget, as a share of it; where the factor is 1, how far above


def pacing_equilibrium(
    scenario: Scenario, seed: int, start: Floats | None = None, budgets: Floats | None = None
) -> PacingEquilibrium:
    """The factors, one for each campaign and day, at which budgets are spent, or the factor is 1, if all bid their targets.

    A pacing equilibrium (Conitzer, Kroer, Sodomka & Stier-Moses, Operations Research 2022) by tatonnement on the day itself:
    factor <- factor (.99 budget / spend)^step, each campaign's steps halved when it turns back, as in Rprop (Riedmiller &
    Braun, ICNN 1993). Spend is that of the day with budgets that never end: a day on which money runs out does not tell by how
    much it is too little. What comes nearest to spending budgets is then played with them. There may be several equilibria,
    though from different starts the same one was found.

    Args:
        scenario: the market.
        seed: of the days.
        start: (K,) factors above 0 where the search begins; None: the multipliers of an earlier day.
        budgets: (K,) currency a day, inf: unlimited; None: the scenario's.

    Raises:
        MarketError: if `start` or `budgets` are not so many, or not such numbers.
    """
    table = build(scenario).campaigns
    count = len(table.names)
    money = np.where(table.budget < UNLIMITED // 2, table.budget / MICRO, np.inf) if budgets is None else budgets
    first = table.prior if start is None else start
    for what, given, lowest in (("start", first, LEAST), ("budgets", money, 0.0)):
        if np.shape(given) != (count,) or not np.min(given, initial=np.inf) >= lowest:
            raise MarketError(f"a search for a pacing equilibrium takes {count} {what} from {lowest:g} up, not {given!r}")
    limited = np.isfinite(money)
    target, endless = np.where(limited, money, 0.0), np.where(money > 0, np.inf, 0.0)
    factor = np.tile(np.where(limited, np.minimum(first, 1.0), 1.0), (scenario.days, 1))
    step, before, nearest = np.full_like(factor, FIRST_STEP), np.zeros_like(factor), np.inf
    for _ in range(ROUNDS):
        spend = _by_day(scenario, _played(scenario, seed, factor, endless).ledger.spend())
        off = float(_slack(factor, spend, target, SPENT).max(initial=0.0))
        if off < nearest:
            nearest, best, bought = off, factor, spend
        if off <= NEAR:
            break
        lacks = np.divide(SPENT * target, spend, out=np.full_like(spend, FURTHEST), where=spend > 0)
        moves = np.log(np.clip(lacks, 1 / FURTHEST, FURTHEST))
        step = np.where(moves * before < 0, SHORTER * step, np.minimum(LONGER * step, LONGEST))
        factor, before = np.where(limited, np.clip(factor * np.exp(step * moves), LEAST, 1.0), 1.0), moves
    ledger = _played(scenario, seed, best, money).ledger
    value, paid = _by_day(scenario, ledger.value()), _by_day(scenario, ledger.spend())
    return PacingEquilibrium(best, value, paid, _slack(best, bought, target, 1.0))


def _slack(factor: Floats, spend: Floats, budget: Floats, share: float) -> Floats:
    """How far spend is from a share of the budget, over that (days, K); at a factor of 1, how far above; without budgets 0."""
    over = np.divide(spend, budget, out=np.full_like(spend, share), where=budget > 0) - share
    return np.where(factor < 1, np.abs(over), np.maximum(over, 0.0))


@lru_cache(maxsize=512)
def equilibrium_of(scenario: Scenario, seed: int) -> PacingEquilibrium:
    """`pacing_equilibrium` as it comes; found once, and read-only."""
    found = pacing_equilibrium(scenario, seed)
    for array in found:
        array.flags.writeable = False
    return found


def _played(scenario: Scenario, seed: int, factor: Floats, budgets: Floats) -> World:
    """The days of a seed with such factors (days, K) and budgets a day, at their end."""
    world = World(scenario, {"pacing": Follows(factor)}, seed=seed)
    for k, budget in enumerate(budgets.tolist()):
        world.set_budget(k, budget if np.isfinite(budget) else None)
    world.run()
    return world


def _by_day(scenario: Scenario, of_ticks: Floats) -> Floats:
    """Sums by day of what ticks have, (days, K)."""
    sums: Floats = of_ticks.reshape(scenario.days, scenario.ticks_per_day, -1).sum(axis=1)
    return sums
