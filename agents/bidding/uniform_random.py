"""A fresh multiplier each tick, drawn without looking: the floor of every comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.core.errors import PolicyError
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import check_number


@dataclass
class UniformRandom(BidPolicy):
    """bid = u x prior x target x rate, u ~ U[low, high] drawn anew for each campaign and tick from the policy's dice."""

    low: float = 0.0  # from 0 up
    high: float = 2.0  # not below `low`

    def __post_init__(self) -> None:
        check_number(self, "low", least=0)
        check_number(self, "high", least=0)
        if self.low > self.high:
            raise PolicyError(f"UniformRandom needs low <= high, not low={self.low!r} with high={self.high!r}")

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: BidView) -> Decision:
        return Multiplier(view.prior * self._dice.uniform(self.low, self.high, view.prior.size))
