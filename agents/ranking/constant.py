"""The same weights all the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.ranking.decisions import LARGEST_OPTIMISM, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import Range, Uniform, check_number
from .weighted import Weighted


@dataclass
class Constant(Weighted):
    """Squashing, cost and optimism, tuned together: what a squashing is worth depends on the cost."""

    SPACE: ClassVar[Mapping[str, Range]] = {**Weighted.SPACE, "optimism": Uniform(0.0, 1.0)}

    squashing: float = 2.0
    cost: float = 0.5
    optimism: float = 0.0  # from 0 up, at most 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "optimism", least=0, most=LARGEST_OPTIMISM)

    def decide(self, view: RankingView) -> Weights:
        return Weights(self.squashing, self.cost, self.optimism)
