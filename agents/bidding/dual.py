"""Learns the price of its budget online, by mirror descent on the dual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, check_number
from .budgets import budget_of_tick, shortfall


@dataclass
class DualMirrorDescent(BidPolicy):
    """After each tick: mu <- mu exp(-step (target spend - spend) / target spend); bid = target x rate / mu.

    Mirror descent on the dual of the budget with the entropy as mirror map (Balseiro, Lu & Mirrokni, ICML 2020), which
    makes the adaptive pacing of Balseiro & Gur (Management Science 2019) multiplicative. Target spend is the budget times
    the tick's share of the forecast traffic: the reference is the traffic curve, not the clock. mu starts at 1 / prior and
    is carried from day to day. Nothing is learned from a tick in which (almost) no budget was left; an unlimited budget
    keeps the prior.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {
        "step": LogUniform(0.01, 1.0),
        "surprise": LogUniform(0.5, 10.0),
        "reach": LogUniform(1.5, 16.0),
    }

    step: float = 0.3  # of the log of mu when nothing at all is spent; above 0
    surprise: float = 3.0  # overspend counts up to this multiple of the target spend; above 0
    reach: float = 8.0  # the multiplier 1 / mu stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        check_number(self, "step", above=0)
        check_number(self, "surprise", above=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._mu = 1 / view.prior
        self._wanted = np.zeros_like(view.prior)  # spend of the tick under way; 0: nothing to learn from it

    def decide(self, view: BidView) -> Decision:
        self._mu *= np.exp(-self.step * np.maximum(shortfall(self._wanted, view), -self.surprise))
        np.maximum(self._mu, 1 / (view.prior * self.reach), out=self._mu)
        np.minimum(self._mu, self.reach / view.prior, out=self._mu)
        self._wanted = budget_of_tick(view)
        return Multiplier(1 / self._mu)
