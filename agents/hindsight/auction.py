"""The best rules of an auction in hindsight: without budgets, the best pair of reserve and squashing of each tick of a day.

Where no campaign has a budget nothing of a tick carries over to the next, so a day played under each pair tells what every tick
would have brought under it, whatever was done before: the best of each tick is exact among the pairs that are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.money import UNLIMITED
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ..auction.constant import Constant

RESERVES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.3, 3.0)  # in mean prices of an even day
SQUASHINGS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Best(NamedTuple):
    """The best pair of each tick, and what all of them bring."""

    score: float
    pairs: list[Constant]  # of each tick


def pairs() -> list[Constant]:
    """The pairs that are tried."""
    return [Constant(reserve, squashing) for reserve in RESERVES for squashing in SQUASHINGS]


def ticks_are_apart(scenario: Scenario) -> bool:
    """Whether nothing that the rules of a tick change carries over to the next: no budgets, memory, sessions or servers."""
    unlimited = bool((build(scenario).campaigns.budget >= UNLIMITED // 2).all())
    alone = scenario.sessions is None and scenario.serving is None and scenario.fatigue is None and scenario.funnel is None
    return unlimited and alone and all(campaign.frequency_cap is None for campaign in build(scenario).campaigns.listed)


def best_by_tick(scenario: Scenario, scored: Callable[[Constant], Floats]) -> Best:
    """The best of each tick, by what `scored` says that a day under a pair brings in each, (ticks,).

    Raises:
        MarketError: if what is done in a tick changes those after it.
    """
    if not ticks_are_apart(scenario):
        raise MarketError(f"the ticks of scenario {scenario.name!r} depend on each other: there is no best pair of each")
    tried = pairs()
    found = np.array([scored(pair) for pair in tried])
    best = found.argmax(axis=0)
    return Best(float(found.max(axis=0).sum()), [tried[place] for place in best])
