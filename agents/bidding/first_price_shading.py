"""Bids less than an impression is worth, by a landscape learned from wins and losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.rules import Rule, rule
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, RequestRule
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, Uniform, check_number
from .budgets import budget_of_tick, shortfall

WORTH, C, SUMS = range(3)  # places in the state; then the expected wins under each c of the grid
GRID = 2.0 ** (np.arange(-20, 21) / 2)  # of c, over what history suggests


@dataclass
class FirstPriceShading(BidPolicy):
    """bid = argmax over b of (v / lambda - b) F(b) = sqrt(c^2 + c v / lambda) - c, with F(b) = c' b / (c + b), any c'.

    The best reply at first prices of a bidder whose budget is priced at lambda. At first prices a bidder learns of the
    highest rival bid only whether it was below its own ("current status" data), and reports count the wins of a tick. So c is
    the landscape under which the bids made would have won as often as they did: sum of b / (c + b) = wins, the estimating
    equation of moments, over past ticks with falling weight and `confidence` requests of which a bid of the history's mean
    price won half. v is target x rate; lambda follows the budget after each tick,
    lambda <- lambda exp(-step (rho - spend) / rho), rho being the budget times the tick's share of the forecast traffic, and
    starts where a mean rate is bid its prior. Without a budget lambda = 1. At second prices shading only gives value away.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "step": LogUniform(0.01, 1.0),
        "forget": Uniform(0.5, 1.0),
        "reach": LogUniform(1.5, 64.0),
    }

    step: float = 0.3  # of the log of lambda when nothing at all is spent; above 0
    surprise: float = 3.0  # overspend counts up to this multiple of rho; above 0
    forget: float = 0.9  # weight of a tick after one more; above 0
    confidence: float = 100.0  # requests; above 0
    reach: float = 16.0  # lambda stays within this factor of its start; above 1

    def __post_init__(self) -> None:
        for field in ("step", "surprise", "forget", "confidence"):
            check_number(self, field, above=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        history = view.history
        rate = np.where(history.rate > 0, history.rate, 1.0)
        bid = view.prior * view.target * rate
        c = np.divide(history.spend, history.impressions, out=bid.copy(), where=(history.spend > 0) & (history.impressions > 0))
        self._grid = c[:, None] * GRID
        self._expected = np.tile(self.confidence / (1 + GRID), (bid.size, 1))
        self._wins = np.full_like(c, self.confidence / 2)
        self._start = view.target * rate * c / (bid * bid + 2 * bid * c)  # lambda that bids the prior for a mean rate
        self._lambda = self._start.copy()
        self._wanted = np.zeros_like(view.prior)  # rho of the tick under way; 0: nothing to learn from it
        self._state = np.zeros((bid.size, SUMS + 2 * GRID.size))
        self._state[:, SUMS : SUMS + GRID.size] = self._grid / view.rule_unit

    def decide(self, view: BidView) -> Decision:
        self._lambda *= np.exp(-self.step * np.maximum(shortfall(self._wanted, view), -self.surprise))
        np.clip(self._lambda, self._start / self.reach, self._start * self.reach, out=self._lambda)
        expected = self._state[:, SUMS + GRID.size :]
        self._expected = self.forget * self._expected + expected
        self._wins = self.forget * self._wins + view.last.wins * (expected[:, 0] > 0)
        expected[:] = 0.0
        self._state[:, WORTH] = view.target / np.where(np.isinf(view.budget), 1.0, self._lambda) / view.rule_unit
        self._state[:, C] = self._landscape() / view.rule_unit
        self._wanted = budget_of_tick(view)
        return RequestRule(shaded(), self._state)

    def _landscape(self) -> Floats:
        """c, where expected wins, which fall over the grid, cross those that were; between two points by log c."""
        above = self._expected - self._wins[:, None]
        place = np.clip((above > 0).sum(axis=1) - 1, 0, GRID.size - 2)[:, None]
        first, second = (np.take_along_axis(above, place + side, axis=1)[:, 0] for side in (0, 1))
        way = np.clip(first / (first - second), 0.0, 1.0)
        low, high = (np.log(np.take_along_axis(self._grid, place + side, axis=1)[:, 0]) for side in (0, 1))
        c: Floats = np.exp(low + way * (high - low))
        return c


@cache
def shaded() -> Rule:
    """The rule; it sums up how many wins each c of the grid would lead to expect."""
    worth, at_c, first, points = WORTH, C, SUMS, GRID.size

    def shade(rate: float, left: int, requests_left: int, state: Any) -> Any:
        c = state[at_c]
        bid = min(np.sqrt(c * c + c * rate * state[worth]) - c, float(left))
        for place in range(points):
            state[first + points + place] += bid / (state[first + place] + bid)
        return bid

    return rule(shade)
