"""By eCPM less what an ad costs its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import Range, check_number
from .weighted import COST


@dataclass
class UserCost(RankingPolicy):
    """By eCPM, and no ad whose eCPM does not exceed what an impression costs its user."""

    SPACE: ClassVar[Mapping[str, Range]] = {"cost": COST}

    cost: float = 0.4  # of an impression, currency, from 0 up

    def __post_init__(self) -> None:
        check_number(self, "cost", least=0)

    def decide(self, view: RankingView) -> Weights:
        return Weights(squashing=1.0, cost=self.cost)
