"""Two paces, one for the budget and one for the target; the lower is bid."""

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
class MinPacing(BidPolicy):
    """bid = min(v / lambda, C p (1 + mu) / mu): the lower of what budget and target allow.

    "Min pacing" of Balseiro et al. (A Field Guide for Pacing Budget and ROS Constraints, ICML 2024): two controllers that do
    not know of each other. lambda follows the budget, lambda <- lambda exp(-step (rho - spend) / rho), and mu the target C,
    mu <- mu exp(-cpa_step (C conversions - spend) / rho), rho being the budget times the tick's share of the forecast
    traffic. Conversions are those believed. Alone against a target, a bidder for conversions bids C p (1 + mu) / mu: never
    below C p, which at second prices keeps any target. lambda starts at 1 / prior in units of C p / v, mu at `mu_start` each
    day. A campaign without a target follows its budget, one without a budget its target, one without either its prior.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {
        "step": LogUniform(0.01, 1.0),
        "cpa_step": LogUniform(0.01, 2.0),
        "mu_start": LogUniform(0.1, 10.0),
        "reach": LogUniform(1.5, 16.0),
    }

    step: float = 0.3  # of the log of lambda when nothing at all is spent; above 0
    cpa_step: float = 0.3  # of the log of mu when the target leaves room for a tick's budget once more; above 0
    mu_start: float = 1.0  # above 0
    surprise: float = 3.0  # under- and overspend count up to this multiple of rho; above 0
    reach: float = 8.0  # v / lambda stays within this factor of the prior, mu within its square of 1; above 1

    def __post_init__(self) -> None:
        for field in ("step", "cpa_step", "mu_start", "surprise"):
            check_number(self, field, above=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._pace = view.prior.copy()  # v / lambda over C p
        self._wanted = np.zeros_like(view.prior)  # rho of the tick under way; 0: nothing to learn from it

    def decide(self, view: BidView) -> Decision:
        limited, aims = np.isfinite(view.budget), pays_for_itself(view)
        self._pace *= np.exp(self.step * np.maximum(shortfall(self._wanted, view, limited), -self.surprise))
        np.clip(self._pace, view.prior / self.reach, view.prior * self.reach, out=self._pace)
        if view.tick == 0:
            self._mu = np.full_like(view.prior, self.mu_start)
        else:
            room = allowed_spend(view.last.believed_value, view) - view.last.spend
            slack = np.divide(room, self._wanted, out=np.zeros_like(room), where=(self._wanted > 0) & view.could_bid & aims)
            self._mu *= np.exp(-self.cpa_step * np.clip(slack, -self.surprise, self.surprise))
            np.clip(self._mu, self.reach**-2, self.reach**2, out=self._mu)
        self._wanted = spend_of_tick(view)
        budget_pace = np.where(limited, self._pace, np.where(aims, np.inf, view.prior))
        return Multiplier(np.minimum(budget_pace, np.where(aims, 1 + 1 / self._mu, np.inf)))
