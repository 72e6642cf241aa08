"""Epsilon-greedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.ranking.decisions import LARGEST_BONUS, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import LogUniform, Range, check_number
from .weighted import Weighted


@dataclass
class EpsilonGreedy(Weighted):
    """By eCPM; at each tick every new ad is with probability epsilon ranked so many times as high."""

    SPACE: ClassVar[Mapping[str, Range]] = {
        **Weighted.SPACE, "epsilon": LogUniform(0.001, 0.3), "lift": LogUniform(1.5, 100.0),
    }  # fmt: skip

    epsilon: float = 0.02  # from 0 to 1
    lift: float = 10.0  # factor on a rank, from 1 up

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "epsilon", least=0, most=1)
        check_number(self, "lift", least=1, most=LARGEST_BONUS)

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: RankingView) -> Weights:
        tried = view.new & (self._dice.random(view.new.size) < self.epsilon)
        return Weights(self.squashing, self.cost, bonus=np.where(tried, self.lift, 1.0))
