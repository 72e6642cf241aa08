"""LinkedIn's rule: campaigns sit out auctions, more of them while they are ahead of the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..parameters import LogUniform, Range, Uniform, check_number
from .factors import with_budgets


@dataclass
class TrafficThrottling(PacingPolicy):
    """participation p <- p (1 + step) after a tick behind the traffic, p (1 - step) after one ahead of it.

    Budget pacing for targeted online advertisements at LinkedIn (Agarwal, Ghosh, Wei & You, KDD 2014): ahead is who has spent
    more than the budget times the share of the day's traffic that the forecast puts before now. p stays between `least` and 1,
    begins a run at `start_share`, is carried from day to day, and does not move after a tick in which a campaign was not there.
    Bids are not lowered: the campaign pays full prices for fewer impressions.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(0.02, 0.6), "start_share": Uniform(0.2, 1.0)}

    step: float = 0.05  # above 0, at most 1
    start_share: float = 0.9  # above 0, at most 1
    least: float = 0.01  # above 0, at most 1

    def __post_init__(self) -> None:
        for field in ("step", "start_share", "least"):
            check_number(self, field, above=0, most=1)

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self._share = np.full_like(view.told.prior, self.start_share)

    def decide(self, view: PacingView) -> Pace:
        told = view.told
        if told.tick > 0:
            moved = np.where(told.spent_share < told.due, 1 + self.step, 1 - self.step)
            self._share = np.clip(self._share * np.where(told.could_bid, moved, 1.0), self.least, 1.0)
        return Pace(1.0, with_budgets(view, self._share))
