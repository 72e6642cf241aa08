"""Plans the rest of the day at each tick with a model of the day so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, Uniform, check_number
from .budgets import allowed_spend, has_money, highest_within, pays_for_itself, requests_to_come

FORECAST_WEIGHT = 0.1  # of a day: so much traffic as forecast is counted with the traffic seen
NOTHING = 0.01  # of what history would bring: a tick with less of what was expected at first counts as this much
FLATTEST, STEEPEST = 0.1, 5.0  # elasticities
PLANS = 65  # multipliers among which a campaign with a target chooses
TINY = 1e-12  # currency


class PowerLaw:
    """log y = level + elasticity log x, by least squares over ticks, older ones forgotten, around a prior guess of both."""

    def __init__(self, level: Floats, elasticity: Floats, confidence: float, forget: float) -> None:
        self._prior, self._confidence, self._forget = (level, elasticity), confidence, forget
        self._sums = np.zeros((5, level.size))  # of weights, x, x^2, y, x y

    def learn(self, x: Floats, y: Floats, where: NDArray[np.bool_]) -> None:
        """Adds a tick's logarithms of x and y for the campaigns `where`."""
        tick = np.array([np.ones_like(x), x, x * x, y, x * y])
        self._sums = np.where(where, self._forget * self._sums + np.where(where, tick, 0.0), self._sums)

    def restart(self) -> None:
        """What was learned becomes the prior guess, and the ticks are forgotten."""
        self._prior, self._sums = self.fit(), np.zeros_like(self._sums)

    def fit(self) -> tuple[Floats, Floats]:
        """Level and elasticity."""
        (level, elasticity), k = self._prior, self._confidence
        n, x, xx, y, xy = self._sums
        a, d, p, q = n + k, xx + k, y + k * level, xy + k * elasticity
        steepness = np.clip((a * q - x * p) / (a * d - x * x), FLATTEST, STEEPEST)
        return (p - steepness * x) / a, steepness


@dataclass
class RecedingHorizon(BidPolicy):
    """At each tick the multiplier that, held to the end of the day, would spend what is left; at the next tick, anew.

    Model predictive control. Spend and believed value of a request are modelled as power laws of the multiplier over its
    prior, fitted by least squares to the ticks of the day so far around yesterday's model; before any day around the belief
    that the prior spends the budget, at the history's spend for a conversion. With n requests to come, the forecast scaled by
    today's traffic so far, the plan is the multiplier with n spend(m) = budget left. A campaign with a target plans, up to
    there, for the best score of the whole day: believed value, times (target x conversions believed / spend)^2 where that is
    below 1 (Su et al., NeurIPS 2024). For falling returns a constant multiplier is the best plan for requests that are all
    alike, so the first step of the plan is the plan. Without a budget, the target alone decides; without either the prior
    stays.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "elasticity": Uniform(0.3, 3.0),
        "confidence": LogUniform(0.1, 10.0),
        "forget": Uniform(0.5, 1.0),
        "reach": LogUniform(1.5, 16.0),
    }

    elasticity: float = 1.0  # of spend to the multiplier, before any day is seen; from 0.1 up
    value_elasticity: float = 0.6  # of believed value; from 0.1 up
    confidence: float = 1.0  # ticks of experience that what is believed beforehand counts for; above 0
    forget: float = 0.9  # weight of a tick after one more; above 0, at most 1
    reach: float = 8.0  # the multiplier stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        for field in ("elasticity", "value_elasticity"):
            check_number(self, field, least=FLATTEST)
        check_number(self, "confidence", above=0)
        check_number(self, "forget", above=0, most=1)
        check_number(self, "reach", above=1)

    def decide(self, view: BidView) -> Decision:
        if view.tick == 0:
            self._spend.restart()
            self._worth.restart()
        else:
            self._learn(view)
        limited, aims = np.isfinite(view.budget), pays_for_itself(view)
        expected = view.forecast_requests * view.elapsed
        extra = FORECAST_WEIGHT * view.forecast_requests
        to_come = np.maximum(requests_to_come(view) * (view.today.requests + extra) / (expected + extra), 1.0)
        least, most = view.prior / self.reach, view.prior * self.reach
        level, elasticity = self._spend.fit()
        worth_level, worth_elasticity = self._worth.fit()

        def spend(multiplier: Floats) -> Floats:
            total: Floats = to_come * np.exp(level + elasticity * np.log(multiplier / view.prior))
            return total

        def score(multiplier: Floats) -> Floats:
            worth = to_come * np.exp(worth_level + worth_elasticity * np.log(multiplier / view.prior))
            worth += view.today.believed_value
            total = np.maximum(view.today.spend + spend(multiplier), TINY)
            best: Floats = worth * np.minimum(allowed_spend(worth, view) / total, 1.0) ** 2
            return best

        plan = highest_within(spend, np.where(limited, view.budget_left, np.inf), least, most)
        if aims.any():
            grid = least * (plan / least) ** np.linspace(0.0, 1.0, PLANS)[:, None]
            plan = np.where(aims, np.take_along_axis(grid, score(grid).argmax(axis=0)[None], axis=0)[0], plan)
        plan = np.where(limited | aims, plan, view.prior)
        self._decided = plan
        self._learns = has_money(view)
        return Multiplier(plan)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        history, requests = view.history, view.forecast_requests
        usual = np.where(history.rate > 0, view.prior * view.target * history.rate, view.rule_unit)
        daily = np.where(np.isfinite(view.budget) & (view.budget > 0), view.budget, history.spend)
        spend = np.where(daily > 0, daily / requests, usual)
        sold = (history.spend > 0) & (history.conversions > 0)
        yield_ = np.divide(history.conversions * view.value, history.spend, out=np.ones_like(spend), where=sold)
        self._usual = spend, spend * yield_
        self._spend, self._worth = (
            PowerLaw(np.log(level), np.full_like(spend, elasticity), self.confidence, self.forget)
            for level, elasticity in zip(self._usual, (self.elasticity, self.value_elasticity), strict=True)
        )

    def _learn(self, view: BidView) -> None:
        """Adds the last tick to both models."""
        came = view.last.requests
        where = self._learns & view.could_bid
        requests = np.where(where, came, 1)
        x = np.log(self._decided / view.prior)
        for law, brought, usual in zip(
            (self._spend, self._worth), (view.last.spend, view.last.believed_value), self._usual, strict=True
        ):
            law.learn(x, np.log(np.maximum(brought / requests, NOTHING * usual)), where)
