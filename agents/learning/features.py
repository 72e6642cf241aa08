"""What a learned bidder sees: observations computed from views alone, by environment and policy alike.

The docstring of `AdArena/Bidding-v0` says what each feature is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...simulator.seats import BidView

Floats = NDArray[np.float64]

FEATURES = (
    "time_left", "budget_left", "bid", "bid_last3", "winning_cost", "rate", "conversions", "win_rate",
    "winning_cost_last3", "rate_last3", "conversions_last3", "win_rate_last3", "rate_now", "traffic_now",
    "traffic_last3", "traffic", "pacing_error", "log_multiplier", "spend_rate", "traffic_over_forecast",
    "required_rate", "cpa_over_limit",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
REACH = math.log(4.0)  # of an action of 1, in logs of the multiplier
RECENT = 3  # ticks that "last3" looks back
WEIGHT = np.array([[2.0 if name in ("rate", "rate_last3", "rate_now", "traffic_over_forecast") else 1.0] for name in FEATURES])
# Rows of a tick, each of shape (held,).
REQUESTS, WINS, REPORTED, SPEND, OFFERED, BIDS, COSTS = range(7)


class Observer:
    """Turns the views of a day into observations; to be shown every tick's view, from the first of a day on.

    `cpa_limit` is the cost per conversion that feature 21 compares with, as a multiple of the campaign's target.
    """

    def __init__(self, cpa_limit: float = 1.0) -> None:
        self._cpa_limit = cpa_limit

    def observe(self, view: BidView) -> NDArray[np.float32]:
        """The observation at the start of a tick, shape (held, 22); `view.tick == view.ticks` is the close of the day."""
        if view.tick == 0:
            self._open(view)
        else:
            self._note(view)
        shape = (len(FEATURES), view.target.size)
        out, ratio = np.zeros(shape), np.ones((2, *shape))  # features are sums of `out` and logs of `ratio`, above over below
        self._standing(view, out, ratio)
        if view.tick > 0:
            self._averages(out, ratio)
            self._paces(view, out, ratio)
        out += WEIGHT * _log(*ratio)
        return np.clip(out.T, -BOUND, BOUND).astype(np.float32)

    def _open(self, view: BidView) -> None:
        """A new day: nothing is carried over."""
        self._recent: list[Floats] = []
        self._day = np.zeros((7, view.target.size))
        self._usual_rate = np.maximum(view.history.rate, 1e-12)
        self._usual_bid = view.prior * view.target * self._usual_rate
        self._limit = self._cpa_limit * view.target
        self._target = view.target

    def _note(self, view: BidView) -> None:
        """Adds the tick that has just ended."""
        last = view.last
        bids = last.offered * view.multiplier * self._target  # summed over the tick's requests
        costs = np.where(np.isnan(view.market_price), 0.0, view.market_price) * last.requests
        row = np.array([last.requests, last.wins, last.conversions_reported, last.spend, last.offered, bids, costs], np.float64)
        self._recent = [*self._recent[1 - RECENT :], row]
        self._day = self._day + row
        self._target = view.target

    def _standing(self, view: BidView, out: Floats, ratio: Floats) -> None:
        """What is known before anything has been played: clock, budget, forecast, the multiplier in force."""
        self._spent = view.spent_share
        out[0] = 2 * (1 - view.tick / view.ticks) - 1
        out[1] = 1 - 2 * self._spent
        out[13] = math.log(max(view.forecast[min(view.tick, view.ticks - 1)] * view.ticks, 1e-9))
        if view.tick > 0:  # before, the prior is in force
            ratio[:, 17] = view.multiplier, view.prior

    def _averages(self, out: Floats, ratio: Floats) -> None:
        """Means over the requests of the day so far and of the last three ticks (rows in pairs), and of the last tick."""
        spans = np.stack([self._day, sum(self._recent[1:], start=self._recent[0])], axis=1)  # (7, 2, held)
        requests = np.maximum(spans[REQUESTS], 1.0)
        told = spans[COSTS] > 0
        ratio[:, [2, 3]] = spans[BIDS] / requests, np.broadcast_to(self._usual_bid, requests.shape)
        ratio[:, [4, 8]] = np.where(told, spans[COSTS] / requests, 1.0), np.where(told, self._usual_bid, 1.0)
        ratio[:, [5, 9]] = spans[OFFERED] / requests, np.broadcast_to(self._usual_rate, requests.shape)
        out[[6, 10]] = np.log1p(spans[REPORTED])
        out[[7, 11]] = 2 * spans[WINS] / requests - 1
        now = self._recent[-1]
        ratio[:, 12] = now[OFFERED] / np.maximum(now[REQUESTS], 1.0), self._usual_rate
        self._last3 = spans[:, 1]

    def _paces(self, view: BidView, out: Floats, ratio: Floats) -> None:
        """Traffic against its forecast, and spend against what the forecast asks for."""
        day, last3, elapsed, expected = self._day, self._last3, view.elapsed, view.forecast_requests
        ratio[0, 14], ratio[1, 14] = last3[REQUESTS] / len(self._recent), expected / view.ticks
        ratio[0, 19], ratio[1, 19] = day[REQUESTS], expected * elapsed
        out[15] = 2 * day[REQUESTS] / expected - 1
        paid = (day[REPORTED] > 0) & (day[SPEND] > 0)
        ratio[0, 21] = np.where(paid, day[SPEND] / np.maximum(day[REPORTED], 1.0), 1.0)
        ratio[1, 21] = np.where(paid, self._limit, 1.0)
        limited = ~np.isinf(view.budget)
        share = max(float(view.forecast[view.tick - 1]), 1e-9)
        asked = np.maximum(np.where(limited, view.budget, 1.0) * share, 1e-9)
        out[16] = np.where(limited, 5 * (elapsed - self._spent), 0.0)
        out[18] = np.where(limited, self._recent[-1][SPEND] / asked - 1, 0.0)
        if view.tick < view.ticks:
            recent = max(float(view.forecast[max(view.tick - RECENT, 0) : view.tick].sum()), 1e-9)
            ratio[0, 20] = np.where(limited, view.budget_left, 1.0) / np.where(limited, max(1 - elapsed, 1e-9), 1.0)
            ratio[1, 20] = np.where(limited, last3[SPEND] / recent, 1.0)


def multipliers(prior: Floats, actions: Floats) -> Floats:
    """What actions from -1 to 1 stand for: prior x exp(log(4) action)."""
    scaled: Floats = prior * np.exp(REACH * actions)
    return scaled


def _log(above: Floats, below: Floats) -> Floats:
    """log(above / below), at the bounds where either is nothing, 0 where both are."""
    some, other = above > 0, below > 0
    both = some & other
    logs: Floats = np.log(np.divide(above, below, out=np.ones_like(above), where=both))
    if not both.all():
        logs += BOUND * (1.0 * some - other)
    return logs
