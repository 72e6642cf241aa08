"""How the pacing seat looks to a learner: a row a campaign, computed from views alone, and what actions stand for.

The docstring of `AdArena/Pacing-v0` says what each feature is.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats
from ..seat import Policy
from .decisions import Pace, checked
from .view import PacingView

FEATURES = (
    "time_left", "forecast", "elapsed", "budget_left", "pacing_error", "log_factor", "required_rate", "spend_rate",
    "traffic_over_forecast", "traffic_last", "value", "value_trend", "win_rate", "price_over_bid", "prior", "tightness",
    "market_factor", "market_spent", "market_value", "market_pacing_error", "market_price", "spent", "last_change",
    "value_over_market", "base",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
LEAST = 0.02  # the smallest factor that is tried: whoever hardly bids wins nothing, and nothing is learned from it
RECENT = 3  # ticks that trends look back
GONE = 0.01  # share of a budget that is as good as nothing
SAMPLED = 1024  # requests of an even day from which is found what campaigns would spend unpaced


class PacingVectors:
    """See `Vectors`. An action a stands for the factor that `base` decides times reach ^ a, from .02 to 1.

    `base` is a policy of the pacing seat, this object's own; it sees what the learner sees.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 1

    def __init__(self, base: Policy[PacingView, Pace], reach: float) -> None:
        self._base, self._reach = base, math.log(reach)
        self._started = False
        nobody = np.zeros(0)
        self._values = self._spends = nobody  # of late, the latest first
        self._factor = self._bid = nobody
        self._decided = Pace(nobody, nobody)

    def observe(self, view: PacingView) -> NDArray[np.float32]:
        """The observation at the start of a tick, (held, 25); `told.tick == told.ticks` is the close of the day."""
        told = view.told
        if told.tick == 0:
            self._open(view)
        if told.tick < told.ticks:
            self._ask_base(view)
        value, factor = _log(told.target / self._usual), _log(view.factor)
        self._values = np.roll(self._values, 1, axis=0)
        self._spends = np.roll(self._spends, 1, axis=0)
        self._values[0], self._spends[0] = value, told.last.spend
        if told.tick == 0:
            self._values[:] = value
        x = np.zeros((len(FEATURES), value.size))
        error, spent = 5 * (told.due - told.spent_share), told.budget_left < GONE * told.budget
        x[0], x[2] = 1 - 2 * told.tick / told.ticks, 2 * told.elapsed - 1
        x[1] = math.log(max(told.forecast[min(told.tick, told.ticks - 1)] * told.ticks, 1e-3))
        x[3], x[4], x[5] = 1 - 2 * told.spent_share, error, factor
        x[10], x[11] = value, RECENT * (value - self._values[RECENT])
        x[14], x[15] = _log(told.prior), self._tightness
        if told.tick > 0:
            self._look_back(view, x)
        x[16], x[17], x[18], x[19] = self._mean(factor), 4 * self._mean(spent), self._mean(value), self._mean(error)
        x[21], x[22], x[23] = np.where(spent, 1.0, -1.0), factor - self._factor, value - x[18]
        x[24] = _log(self._decided.factor)
        self._factor = factor
        return np.clip(x, -BOUND, BOUND).T.astype(np.float32)

    def _look_back(self, view: PacingView, x: Floats) -> None:
        """The features of what has happened since the day began."""
        told, last = view.told, view.told.last
        since = min(told.tick, RECENT)
        came = max(float(told.forecast[told.tick - since : told.tick].sum()), 1e-6)
        bounded = told.budget < np.inf
        left, budget = np.where(bounded, told.budget_left, 0.0), np.where(bounded, told.budget, 1.0)
        rate = np.maximum(self._spends[:since].sum(axis=0) / came, 1e-3 * budget)
        x[6] = np.where(bounded, _log(np.maximum(left / max(1 - told.elapsed, 1e-6), 1e-6 * budget) / rate), 0.0)
        expected, latest = told.forecast_requests * told.elapsed, told.forecast[told.tick - 1]
        x[7] = np.where(bounded, last.spend / np.maximum(budget * latest, 1e-9) - 1, 0.0)
        x[8] = 2 * _log(np.maximum(told.today.requests, 0.5) / max(expected, 1e-9))
        x[9] = _log(np.maximum(last.requests, 0.5) / max(told.forecast_requests * latest, 1e-9))
        x[12] = 2 * last.wins / np.maximum(last.requests, 1) - 1
        shown = (last.impressions > 0) & (last.offered > 0)
        bid = np.where(shown, self._bid * view.factor * last.offered / np.maximum(last.requests, 1), 1.0)
        paid = np.where(shown, last.spend / np.maximum(last.impressions, 1), 1.0)
        x[13] = np.where(shown & (paid > 0), _log(np.maximum(paid, 1e-9) / np.maximum(bid, 1e-9)), 0.0)
        is_told = np.isfinite(told.market_price)
        price = np.where(is_told, told.market_price, 1.0)
        x[20] = np.where(is_told, _log(np.maximum(price, 1e-6) / np.maximum(self._usual_price, 1e-6)), 0.0)
        self._bid = _bid(view)

    def decide(self, view: PacingView, actions: Floats) -> Pace:
        """See `Vectors.decide`."""
        factor = np.exp(_log(self._decided.factor) + self._reach * actions[:, 0])
        return Pace(np.minimum(np.maximum(factor, LEAST), 1.0), self._decided.participation)

    def _open(self, view: PacingView) -> None:
        """A new day: nothing is carried over but what the base remembers."""
        told, held = view.told, view.places
        self._usual = np.maximum(view.usual[held], 1e-9)
        unpaced = view.rehearsal.from_tick(0, SAMPLED).outcome(view.usual).spend[held] * told.forecast_requests
        self._tightness = np.where(
            told.budget < np.inf, _log(np.maximum(unpaced, 1e-6) / np.maximum(told.budget, 1e-6)), -BOUND
        )
        weight = np.where(told.budget < np.inf, told.budget, told.history.spend) + 1e-9
        self._weight = weight / weight.sum()
        self._usual_price = told.history.spend / np.maximum(told.history.impressions, 1e-9)
        self._values, self._spends = np.zeros((RECENT + 1, held.size)), np.zeros((RECENT + 1, held.size))
        self._factor, self._bid = _log(view.factor), _bid(view)
        self._decided = Pace(view.factor, view.participation)

    def _ask_base(self, view: PacingView) -> None:
        if not self._started:
            self._base.start(view, np.random.default_rng(0))
            self._started = True
        decision: Any = self._base.decide(view)
        if decision is not None:
            self._decided = checked(type(self._base).__name__, decision, view.factor.size)

    def _mean(self, x: Any) -> float:
        """Over campaigns, by budget."""
        return float(self._weight @ x)


def _bid(view: PacingView) -> Floats:
    """For a conversion, before it is paced; the target where the campaign bids by request."""
    return np.where(np.isnan(view.bid), view.told.target, view.bid)


def _log(x: Any) -> Any:
    return np.log(np.maximum(x, 1e-9))
