"""Adaptive pacing in its multiplicative form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, check_number
from .adaptive_pacing import under_spend
from .budgets import has_money


@dataclass
class MultiplicativePacing(BidPolicy):
    """bid = target x rate / lambda; after each auction lambda <- lambda exp(step (spend - rho)).

    The multiplicative form of adaptive pacing (mirror descent with the entropy: Balseiro, Lu & Mirrokni, ICML 2020), rho being
    the budget over the auctions expected in a day. It differs from `dual` in its reference: the auctions that came, with steps
    in proportion to them, where `dual` compares each tick with its forecast. Steps, start and exceptions as in
    `AdaptivePacing`; lambda starts at 1 / prior.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(0.01, 1.0), "reach": LogUniform(1.5, 16.0)}

    step: float = 0.2  # of the log of lambda when nothing at all is spent in a mean tick; above 0
    reach: float = 8.0  # the multiplier 1 / lambda stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        check_number(self, "step", above=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._lambda = 1 / view.prior
        self._learns = np.zeros(view.prior.size, np.bool_)

    def decide(self, view: BidView) -> Decision:
        self._lambda *= np.exp(-self.step * under_spend(view, self._learns))
        np.clip(self._lambda, 1 / (view.prior * self.reach), self.reach / view.prior, out=self._lambda)
        self._learns = has_money(view)
        return Multiplier(np.where(np.isinf(view.budget), view.prior, 1 / self._lambda))
