"""A price for each campaign's budget, learned online by mirror descent on the dual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.bidding.view import BidView
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.vectors import LEAST
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import budget_of_tick, shortfall
from ..parameters import LogUniform, Range, check_number
from .factors import lowered, unpaced


@dataclass
class DualMirrorDescent(PacingPolicy):
    """After each tick: mu <- mu exp(-step (wanted - spend) / wanted); bids are lowered to target / mu.

    Mirror descent on the dual of each budget with the entropy as mirror map (Balseiro, Lu & Mirrokni, ICML 2020), which makes
    the adaptive pacing of Balseiro & Gur (Management Science 2019) multiplicative. Wanted is the budget times the tick's share
    of the forecast traffic. mu starts at 1 / prior, is carried from day to day, and stays where it asks for a factor from
    `LEAST` to 1. Nothing is learned from a tick in which (almost) no budget was left or the campaign was not there.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(0.02, 1.0), "surprise": LogUniform(0.5, 8.0)}

    step: float = 0.5  # of the log of mu when nothing at all is spent; above 0
    surprise: float = 1.4  # overspend counts up to this multiple of what was wanted; above 0

    def __post_init__(self) -> None:
        for field in ("step", "surprise"):
            check_number(self, field, above=0)

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self._multiplier = view.told.prior.copy()  # 1 / mu
        self._wanted = np.zeros_like(view.told.prior)  # spend of the tick under way; 0: nothing to learn from it

    def decide(self, view: PacingView) -> Pace:
        own = unpaced(view)
        moved = self._multiplier * np.exp(self.step * np.maximum(shortfall(self._wanted, view.told), -self.surprise))
        self._multiplier = np.where(own > 0, np.clip(moved, LEAST * own, own), moved)
        self._wanted = self.wanted(view.told)
        return lowered(view, self._multiplier)

    def wanted(self, told: BidView) -> Floats:
        """What the coming tick should cost, (held,) currency; 0 where nothing can be learned from it."""
        return budget_of_tick(told)
