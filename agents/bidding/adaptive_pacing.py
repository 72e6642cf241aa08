"""Adaptive pacing: a step after each auction towards the spend an auction can afford."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, check_number
from .budgets import has_money


@dataclass
class AdaptivePacing(BidPolicy):
    """bid = target x rate / (1 + mu); after each auction mu <- P[0, most](mu - step (rho - spend)).

    Balseiro & Gur (Management Science 2019): subgradient descent on the dual of the budget for a bidder that maximises
    utility; rho is the budget over the auctions expected in a day, so the reference is the auctions that came, not the clock.
    A tick's steps are taken together, the step being given per budget of a mean tick. mu starts at 1 / prior - 1 and is
    carried from day to day; the bid never exceeds the target. Nothing is learned from a tick in which (almost) no budget was
    left; an unlimited budget keeps the prior.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(0.01, 2.0), "most": LogUniform(4.0, 100.0)}

    step: float = 0.3  # of mu when nothing at all is spent in a mean tick; above 0
    most: float = 20.0  # bound of mu; above 0

    def __post_init__(self) -> None:
        check_number(self, "step", above=0)
        check_number(self, "most", above=0)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._mu = np.clip(1 / view.prior - 1, 0.0, self.most)
        self._learns = np.zeros(view.prior.size, np.bool_)

    def decide(self, view: BidView) -> Decision:
        self._mu = np.clip(self._mu - self.step * under_spend(view, self._learns), 0.0, self.most)
        self._learns = has_money(view)
        return Multiplier(np.where(np.isinf(view.budget), view.prior, 1 / (1 + self._mu)))


def under_spend(view: BidView, learns: np.ndarray) -> np.ndarray:
    """Over the last tick, the sum of rho - spend, rho = budget / auctions of a day, in budgets of a mean tick; 0 elsewhere.

    Auctions of a day are those that a campaign is there for.
    """
    share = np.zeros_like(view.prior)
    limited = learns & view.could_bid & np.isfinite(view.budget) & (view.budget > 0)
    np.divide(view.last.spend, view.budget, out=share, where=limited)
    came = view.last.requests / view.forecast_requests
    np.divide(came, view.reach, out=came, where=limited)
    return np.where(limited, (came - share) * view.ticks, 0.0)
