"""The score of each day of a run."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.scenario.demand import Objective
from ...simulator.world import World
from ..objectives import score


def day_scores(world: World, campaign: int, objective: Objective | None = None, worth_of_spend: float | None = None) -> Floats:
    """The score of each day of a run, in currency, (days,); see `objectives`.

    None: the campaign's own objective, and as C its target over a conversion's value.
    """
    ticks = world.scenario.ticks_per_day
    starts = np.arange(0, world.ledger.closed, ticks)
    value, spend = (np.add.reduceat(x[:, campaign], starts) for x in (world.ledger.value(), world.ledger.spend()))
    own, worth = _terms(world, campaign, objective, worth_of_spend)
    return score(own, value, spend, worth)


def _terms(world: World, campaign: int, objective: Objective | None, worth_of_spend: float | None) -> tuple[Objective, float]:
    """The objective, and what a unit of spend must bring in units of value."""
    table = world.campaigns
    worth = float(table.target[campaign] / table.value[campaign]) if worth_of_spend is None else worth_of_spend
    return table.listed[campaign].objective if objective is None else objective, worth
