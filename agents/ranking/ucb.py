"""Upper confidence bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import gammaincinv

from ...simulator.seats.ranking.decisions import Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import Range, Uniform, check_number
from .scores import bounded
from .weighted import Weighted


@dataclass
class UCB(Weighted):
    """By eCPM, that of a new ad at the quantile 1 - 1 / t of what its click rate may be, at tick t + 1 of the run.

    Bayes-UCB (Kaufmann, Cappé & Garivier, AISTATS 2012). `exponent` says how far its quantile over its mean counts.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {**Weighted.SPACE, "exponent": Uniform(0.0, 1.0)}

    exponent: float = 0.5  # from 0 up

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "exponent", least=0)

    def decide(self, view: RankingView) -> Weights:
        ticks = view.told.day * view.told.ticks + view.told.tick + 2
        over = gammaincinv(view.posterior.shape, 1 - 1 / ticks) / view.posterior.shape
        return Weights(self.squashing, self.cost, bonus=bounded(np.where(view.new, over**self.exponent, 1.0)))
