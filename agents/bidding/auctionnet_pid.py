"""The rule of thumb by which AuctionNet's "PID" bidders follow their budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.errors import PolicyError
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, Uniform, check_number


@dataclass
class AuctionNetPID(BidPolicy):
    """After each tick, with p = spend of the tick x ticks left / budget left: m <- m x up if p < low, m x down if p > high.

    The rule of `pid_bidding_strategy.py` in AuctionNet (Su et al., NeurIPS 2024): x 1.2 below 0.7, x 0.7 above 1.1. Its
    reference is the clock. It starts each day from the campaign's prior multiplier, where the original starts from 15 per
    conversion for everybody. An unlimited budget keeps the prior, an empty one the last multiplier; so
    does a tick in which the campaign could not bid.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {
        "low": Uniform(0.4, 0.95),
        "high": Uniform(1.0, 2.0),
        "up": LogUniform(1.02, 1.6),
        "down": LogUniform(0.5, 0.98),
    }

    low: float = 0.7  # from 0 up
    high: float = 1.1  # not below `low`
    up: float = 1.2  # above 0
    down: float = 0.7  # above 0
    reach: float = 8.0  # the multiplier stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        check_number(self, "low", least=0)
        check_number(self, "high", least=0)
        for factor in ("up", "down"):
            check_number(self, factor, above=0)
        check_number(self, "reach", above=1)
        if self.low > self.high:
            raise PolicyError(f"AuctionNetPID needs low <= high, not low={self.low!r} with high={self.high!r}")

    def decide(self, view: BidView) -> Decision:
        if view.tick == 0:
            self._multiplier = view.prior.copy()
            return Multiplier(self._multiplier.copy())
        limited = np.isfinite(view.budget) & (view.budget_left > 0) & view.could_bid
        pace = np.ones_like(view.prior)
        np.divide(view.last.spend * (view.ticks - view.tick), view.budget_left, out=pace, where=limited)
        self._multiplier[limited & (pace < self.low)] *= self.up
        self._multiplier[limited & (pace > self.high)] *= self.down
        np.clip(self._multiplier, view.prior / self.reach, view.prior * self.reach, out=self._multiplier)
        return Multiplier(self._multiplier.copy())
