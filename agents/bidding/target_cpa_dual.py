"""Learns the price of its budget and the price of its target together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, check_number
from .budgets import allowed_spend, pays_for_itself, shortfall, spend_of_tick


@dataclass
class TargetCPADual(BidPolicy):
    """bid = (v + mu C p) / (lambda + mu) for an impression of rate p and value v; lambda prices the budget, mu the target C.

    From the Lagrangian of max sum(v) with sum(cost) <= budget and sum(cost) <= C sum(p). After each tick both duals descend,
    lambda <- lambda exp(-step (rho - spend) / rho) and mu <- max(0, mu - cpa_step (C conversions - spend) / rho), rho being the
    budget times the tick's share of the forecast traffic: joint dual mirror descent (Balseiro et al., A Field Guide for
    Pacing Budget and ROS Constraints, ICML 2024). Conversions are those believed: reports come days later. lambda starts at
    v / (C p prior), mu at 0; both are carried from day to day. A campaign with target_roas has C = value / ROAS; one without
    a target keeps mu = 0. Without a budget lambda = 0, without either the prior stays. Nothing is learned from a tick in
    which (almost) no budget was left.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {
        "step": LogUniform(0.01, 1.0),
        "cpa_step": LogUniform(0.01, 2.0),
        "reach": LogUniform(1.5, 16.0),
    }

    step: float = 0.3  # of the log of lambda when nothing at all is spent; above 0
    cpa_step: float = 0.3  # of mu when the target leaves room for a tick's budget once more; above 0
    surprise: float = 3.0  # under- and overspend count up to this multiple of rho; above 0
    reach: float = 8.0  # the multiplier stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        for field in ("step", "cpa_step", "surprise"):
            check_number(self, field, above=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._worth = view.value / view.target  # v over C p
        self._lambda, self._mu = self._worth / view.prior, np.zeros_like(view.prior)
        self._wanted = np.zeros_like(view.prior)  # rho of the tick under way; 0: nothing to learn from it

    def decide(self, view: BidView) -> Decision:
        limited, aims = np.isfinite(view.budget), pays_for_itself(view)
        self._learn(view, limited, aims)
        self._wanted = spend_of_tick(view)
        price = np.where(limited, self._lambda, 0.0) + self._mu
        most = view.prior * self.reach
        multiplier = np.divide(self._worth + self._mu, price, out=most.copy(), where=price > 0)
        bounded = np.clip(multiplier, view.prior / self.reach, most)
        return Multiplier(np.where(limited | aims, bounded, view.prior))

    def _learn(self, view: BidView, limited: np.ndarray, aims: np.ndarray) -> None:
        """One step of both duals by what the last tick spent and brought."""
        room = allowed_spend(view.last.believed_value, view) - view.last.spend
        slack = np.divide(room, self._wanted, out=np.zeros_like(room), where=(self._wanted > 0) & view.could_bid & aims)
        self._lambda *= np.exp(-self.step * np.maximum(shortfall(self._wanted, view, limited), -self.surprise))
        bound = self._worth / view.prior
        np.clip(self._lambda, bound / self.reach, bound * self.reach, out=self._lambda)
        self._mu = np.maximum(0.0, self._mu - self.cpa_step * np.clip(slack, -self.surprise, self.surprise))
