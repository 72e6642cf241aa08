"""How good a decider of compute could have been who knows more than policies do. For judges only.

A plan or a ladder is searched in the stand-in (`compute_queue`), where a day takes a millisecond, and then has to prove itself
in the market, as a policy. What is found so is a lower bound of the best; `one_price_bound` is one from above.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product

import numpy as np

from ...simulator.core.arrays import Floats, Integers
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.depths import GRID
from ...simulator.seats.compute.view import ComputeView
from ..compute.ladder import Ladder
from ..compute.mpc import RecedingHorizon
from ..compute.plan import depths_within
from ..compute.static import Static
from .compute_day import Outlook, day_of, options, outlook
from .compute_queue import Day, Options, improve, new_line, play
from .static import Best, best_constant

START = int(np.searchsorted(GRID, 0.6))  # where the search for a plan begins, all day and for all tiers
AHEAD = 2  # intervals by which a decision is judged: who waits in one is served in the next
ENOUGH = 1e-3  # gain of going over a plan once more, as a share, at which the search ends
LADDERS = tuple(
    Ladder(depth, lower, patience, longer)
    for depth, lower, patience, longer in product(
        np.linspace(0.4, 1.0, 13).tolist(), (0.2, 0.3, 0.4, 0.5, 0.6), (0.05, 0.1, 0.175, 0.25, 0.35), (0.1, 0.25, 0.45)
    )
    if lower < depth
)
FINALISTS = 8  # ladders that are played in the market


class Follows(ComputePolicy):
    """Depths that were laid down beforehand, (K, T), for each interval of a run and each tier."""

    def __init__(self, depths: Floats) -> None:
        self.depths = depths

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self._asked = 0

    def decide(self, view: ComputeView) -> Depth:
        self._asked += 1
        return Depth(self.depths[self._asked - 1])


class OracleOfArrivals(RecedingHorizon):
    """`RecedingHorizon` that is told the requests and the servers of the interval that begins; worth it follows like others.

    It plans an interval at a time, as if nobody had to wait, and fills all of the servers' time.
    """

    def __init__(self, told: Outlook) -> None:
        super().__init__(target=1.0)
        self._told = told

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        super().start(view, dice)
        self._asked = 0

    def decide(self, view: ComputeView) -> Depth:
        self._following.see(view)
        k, self._asked = self._asked, self._asked + 1
        seconds, requests = float(self._told.server_s[k]), self._told.arrivals[k] + view.waiting
        return Depth(depths_within(requests, self.target * seconds, self._following.worth(view), view.earnings))


def oracle_of_arrivals(scenario: Scenario, seed: int) -> OracleOfArrivals:
    """The oracle of the days of a seed. Raises `MarketError` as `day_of` does."""
    return OracleOfArrivals(outlook(day_of(scenario, seed)))


def hindsight_plan(scenario: Scenario, seed: int) -> Follows:
    """The plan that knows the very requests of a seed, what each asks of a server, the servers, and what requests are worth.

    Not who clicks on what: auctions count as what they bring on average. Its revenue in the market is a lower bound of what
    such knowledge could earn.

    Raises:
        MarketError: as `day_of`.
    """
    day = day_of(scenario, seed)
    plan = np.full((day.intervals, day.first.size - 1), START)
    return Follows(GRID[searched(plan, day, _depths(scenario))])


def searched(plan: Integers, day: Day, choices: Options) -> Integers:
    """A plan (K, T) made better, in place, until going over it once more gains less than `ENOUGH`."""
    earned = -1.0
    while True:
        line = new_line(day)
        improve(AHEAD, plan, day, choices, line, new_line(day))
        if line.earned[0] <= earned * (1 + ENOUGH):
            return plan
        earned = float(line.earned[0])


def best_ladder(scenario: Scenario, seed: int, play_day: Callable[[ComputePolicy], float]) -> Best[Ladder]:
    """The ladder by wait that is best on the days of a seed, and its score; `play_day` gives that of a policy in the market.

    Of `LADDERS`, those that earn most in the stand-in are played, and the best of them in the market is the best.

    Raises:
        MarketError: as `day_of`.
    """
    day, choices = day_of(scenario, seed), _ladders(scenario)
    earned = [earned_by(np.full((day.intervals, day.first.size - 1), n), day, choices) for n in range(len(LADDERS))]
    return best_constant([LADDERS[n] for n in np.argsort(earned)[: -FINALISTS - 1 : -1]], play_day)


def earned_by(plan: Integers, day: Day, choices: Options) -> float:
    """What a plan (K, T) can be expected to earn in a run, currency."""
    line = new_line(day)
    play(0, day.intervals, plan, day, choices, line)
    return float(line.earned[0])


@lru_cache(maxsize=4)
def _depths(scenario: Scenario) -> Options:
    return options(scenario, [Static(depth, depth) for depth in GRID.tolist()])


@lru_cache(maxsize=4)
def _ladders(scenario: Scenario) -> Options:
    return options(scenario, LADDERS)
