"""Model-predictive control, each campaign for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import has_money
from ..parameters import LogUniform, Range, Uniform, check_number
from .factors import lowered, requests_ahead, unpaced

NOTHING = 0.01  # of what was believed beforehand: a tick that costs less counts as this much
HEAVIEST = 3.0  # of a tick in the average, in ticks of mean forecast traffic
TINY = 1e-9  # currency


@dataclass
class RecedingHorizon(PacingPolicy):
    """At each tick the multiplier that, held to the end of the day, would spend what is left; at the next tick, anew.

    Spend of a request is a power law of the multiplier m over the prior, a (m / prior)^elasticity. log a is a falling average
    of what the day's ticks showed, weighted by their traffic, around what was believed beforehand: yesterday's average, and
    before any day that the prior spends the budget. How prices move because all others are paced, too, is in it alone.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "elasticity": Uniform(0.5, 4.0),
        "forget": Uniform(0.3, 1.0),
        "trust": LogUniform(0.2, 8.0),
        "confidence": LogUniform(0.02, 1.0),
    }

    elasticity: float = 1.7  # of spend to the multiplier, above 0
    forget: float = 0.5  # weight of a tick after one more; above 0, at most 1
    trust: float = 6.5  # ticks that what was believed beforehand counts for; above 0
    confidence: float = 0.1  # in the forecast's level of traffic, in days; above 0

    def __post_init__(self) -> None:
        for field in ("elasticity", "trust", "confidence"):
            check_number(self, field, above=0)
        check_number(self, "forget", above=0, most=1)

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        told = view.told
        daily = np.where(np.isfinite(told.budget) & (told.budget > 0), told.budget, told.history.spend)
        self._usual = np.maximum(daily / told.forecast_requests, TINY)  # of a request at the prior, currency
        self._level = np.log(self._usual)
        self._weight = np.full_like(self._level, self.trust)
        self._learns = np.zeros(self._level.size, np.bool_)

    def decide(self, view: PacingView) -> Pace:
        told = view.told
        if told.tick == 0:
            self._weight = np.full_like(self._level, self.trust)
        else:
            self._learn(view)
        self._learns = has_money(told)
        affordable = np.maximum(told.budget_left, TINY) / requests_ahead(told, self.confidence)
        return lowered(view, told.prior * np.exp((np.log(affordable) - self._level) / self.elasticity))

    def _learn(self, view: PacingView) -> None:
        """Takes the last tick into the average, at the factors that were in force."""
        told, last = view.told, view.told.last
        tried = view.factor * unpaced(view)
        where = self._learns & told.could_bid & (tried > 0)
        cost = np.maximum(last.spend / np.maximum(last.requests, 1), NOTHING * self._usual)
        seen = np.log(cost) - self.elasticity * np.log(np.where(where, tried, told.prior) / told.prior)
        before = self.forget * self._weight
        weight = np.minimum(last.requests / told.forecast_requests * told.ticks, HEAVIEST)
        self._level = np.where(where, (before * self._level + weight * seen) / (before + weight), self._level)
        self._weight = np.where(where, before + weight, self._weight)
