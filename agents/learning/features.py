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
        out = np.zeros((len(FEATURES), view.target.size))
        self._standing(view, out)
        if view.tick > 0:
            self._averages(out)
            self._paces(view, out)
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

    def _standing(self, view: BidView, out: Floats) -> None:
        """What is known before anything has been played: clock, budget, forecast, the multiplier in force."""
        out[0] = 2 * (1 - view.tick / view.ticks) - 1
        out[1] = 1 - 2 * view.spent_share
        out[13] = math.log(max(view.forecast[min(view.tick, view.ticks - 1)] * view.ticks, 1e-9))
        if view.tick > 0:  # before, the prior is in force
            out[17] = _log(view.multiplier, view.prior)

    def _averages(self, out: Floats) -> None:
        """Means over the requests of the day so far, of the last three ticks, of the last tick."""
        for rows, bid, cost, rate, conversions, wins in (
            (self._day, 2, 4, 5, 6, 7),
            (self._last3(), 3, 8, 9, 10, 11),
        ):
            requests = np.maximum(rows[REQUESTS], 1.0)
            out[bid] = _log(rows[BIDS] / requests, self._usual_bid)
            out[cost] = np.where(rows[COSTS] > 0, _log(rows[COSTS] / requests, self._usual_bid), 0.0)
            out[rate] = 2 * _log(rows[OFFERED] / requests, self._usual_rate)
            out[conversions] = np.log1p(rows[REPORTED])
            out[wins] = 2 * rows[WINS] / requests - 1
        now = self._recent[-1]
        out[12] = 2 * _log(now[OFFERED] / np.maximum(now[REQUESTS], 1.0), self._usual_rate)

    def _paces(self, view: BidView, out: Floats) -> None:
        """Traffic against its forecast, and spend against what the forecast asks for."""
        day, last3 = self._day, self._last3()
        elapsed, expected = view.elapsed, view.forecast_requests
        out[14] = _log(last3[REQUESTS] / len(self._recent), np.array(expected / view.ticks))
        out[15] = 2 * day[REQUESTS] / expected - 1
        out[19] = 2 * _log(day[REQUESTS], np.array(expected * elapsed))
        paid = (day[REPORTED] > 0) & (day[SPEND] > 0)
        out[21] = np.where(paid, _log(day[SPEND] / np.maximum(day[REPORTED], 1.0), self._limit), 0.0)
        limited = ~np.isinf(view.budget)
        budget = np.where(limited, view.budget, 1.0)
        out[16] = np.where(limited, 5 * (elapsed - view.spent_share), 0.0)
        share = max(float(view.forecast[view.tick - 1]), 1e-9)
        out[18] = np.where(limited, self._recent[-1][SPEND] / np.maximum(budget * share, 1e-9) - 1, 0.0)
        if view.tick < view.ticks:
            recent = max(float(view.forecast[max(view.tick - RECENT, 0) : view.tick].sum()), 1e-9)
            required = np.where(limited, view.budget_left, 0.0) / max(1 - elapsed, 1e-9)
            out[20] = np.where(limited, _log(required, last3[SPEND] / recent), 0.0)

    def _last3(self) -> Floats:
        total = self._recent[0]
        for row in self._recent[1:]:
            total = total + row
        return total


def multipliers(prior: Floats, actions: Floats) -> Floats:
    """What actions from -1 to 1 stand for: prior x exp(log(4) action)."""
    scaled: Floats = prior * np.exp(REACH * actions)
    return scaled


def _log(value: Floats, reference: Floats) -> Floats:
    """log(value / reference), at the bounds where either is nothing, 0 where both are."""
    some, other = value > 0, reference > 0
    ratio = np.divide(value, reference, out=np.ones(np.broadcast_shapes(value.shape, reference.shape)), where=some & other)
    logs: Floats = np.log(ratio) + BOUND * (1.0 * some - other) * (some != other)
    return logs
