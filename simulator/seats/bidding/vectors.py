"""How the bid seat looks to a learner: observations computed from views alone, and what actions stand for.

The docstring of `AdArena/Bidding-v0` says what each feature is.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats
from ...core.compiled import inlined, kernel
from .decisions import Multiplier
from .view import BidView

FEATURES = (
    "time_left", "budget_left", "bid", "bid_last3", "winning_cost", "rate", "conversions", "win_rate",
    "winning_cost_last3", "rate_last3", "conversions_last3", "win_rate_last3", "rate_now", "traffic_now",
    "traffic_last3", "traffic", "pacing_error", "log_multiplier", "spend_rate", "traffic_over_forecast",
    "required_rate", "believed_cpa_over_limit",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
REACH = math.log(4.0)  # of an action of 1, in logs of the multiplier
RECENT = 3  # ticks that "last3" looks back
# Sums over the requests of a tick, then what holds at its end: the rows of what `fill` is given of a view.
REQUESTS, WINS, REPORTED, SPEND, OFFERED, BIDS, COSTS, ALLOWED, SUMS = range(9)
MULTIPLIER, BUDGET, LEFT, SPENT, COULD_BID, REACHABLE = range(SUMS, SUMS + 6)


class BidVectors:
    """See `Vectors`. An action a stands for the multiplier prior x exp(log(4) a).

    `cpa_limit` is the cost per conversion that feature 21 compares with, as a multiple of the campaign's target.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 1

    def __init__(self, cpa_limit: float = 1.0) -> None:
        self._cpa_limit = cpa_limit
        self._forecast = self._target = np.empty(0)

    def observe(self, view: BidView) -> NDArray[np.float32]:
        """The observation at the start of a tick, shape (held, 22); `view.tick == view.ticks` is the close of the day."""
        if view.tick == 0:
            self._open(view)
        last = view.last
        bids = last.offered * view.multiplier * self._target  # summed over the tick's requests
        costs = np.where(np.isnan(view.market_price), 0.0, view.market_price) * last.requests
        allowed = self._cpa_limit * last.believed_value * view.target / view.value  # for the conversions they should bring
        facts = np.array(
            [
                last.requests, last.wins, last.conversions_reported, last.spend, last.offered, bids, costs, allowed,
                view.multiplier, view.budget, view.budget_left, view.spent_share, view.could_bid, view.reach,
            ],
            np.float64,
        )  # fmt: skip
        self._target = view.target
        out = np.empty((view.target.size, len(FEATURES)), np.float32)
        fill(view.tick, view.ticks, self._forecast, view.forecast_requests, facts, self._usual, self._day, self._recent, out)
        return out

    def decide(self, view: BidView, actions: Floats) -> Multiplier:
        """See `Vectors.decide`."""
        return Multiplier(view.prior * np.exp(REACH * actions[:, 0]))

    def _open(self, view: BidView) -> None:
        """A new day: nothing is carried over."""
        held = view.target.size
        self._day, self._recent = np.zeros((SUMS, held)), np.zeros((RECENT + 1, SUMS, held))
        rate = np.maximum(view.history.rate, 1e-12)
        self._usual = np.array([view.prior, rate, view.prior * view.target * rate])
        self._target = view.target
        self._forecast = np.array(view.forecast)


@kernel()
def fill(tick: Any, ticks: Any, forecast: Any, expected: Any, facts: Any, usual: Any, day: Any, recent: Any, out: Any) -> None:
    """Writes the observations of all campaigns held, out (held, 22), and adds the tick that has ended to the sums.

    `facts` (rows above, held); `usual` (3, held): prior multiplier, expected rate and its bid;
    `day` (SUMS, held) and `recent` (RECENT + 1, SUMS, held) are kept between calls; `expected` requests of the whole day.
    """
    coming = max(forecast[min(tick, ticks - 1)], 0.0)
    elapsed, lately = 0.0, 0.0  # shares of the day's traffic, by the forecast
    for t in range(tick):
        elapsed += forecast[t]
        lately += forecast[t] if t >= tick - RECENT else 0.0
    for n in range(out.shape[0]):
        x, now, today = out[n], facts[:, n], day[:, n]
        prior, rate, bid = usual[:, n]
        x[:] = 0.0
        x[0] = 1 - 2 * tick / ticks
        x[1] = 1 - 2 * now[SPENT]
        x[13] = math.log(max(coming * ticks, 1e-9))
        if tick > 0:
            add(now, today, recent[:, :, n], tick)
            last3 = recent[RECENT, :, n]
            requests, requests3 = max(today[REQUESTS], 1.0), max(last3[REQUESTS], 1.0)
            x[2], x[3] = log_ratio(today[BIDS] / requests, bid), log_ratio(last3[BIDS] / requests3, bid)
            x[4] = log_ratio(today[COSTS] / requests, bid) if today[COSTS] > 0 else 0.0
            x[8] = log_ratio(last3[COSTS] / requests3, bid) if last3[COSTS] > 0 else 0.0
            x[5], x[9] = 2 * log_ratio(today[OFFERED] / requests, rate), 2 * log_ratio(last3[OFFERED] / requests3, rate)
            x[12] = 2 * log_ratio(now[OFFERED] / max(now[REQUESTS], 1.0), rate)
            x[6], x[10] = math.log1p(today[REPORTED]), math.log1p(last3[REPORTED])
            x[7], x[11] = 2 * today[WINS] / requests - 1, 2 * last3[WINS] / requests3 - 1
            x[14] = log_ratio(last3[REQUESTS] / min(tick, RECENT), expected / ticks)
            x[15] = 2 * today[REQUESTS] / expected - 1
            x[17] = log_ratio(now[MULTIPLIER], prior)
            x[19] = 2 * log_ratio(today[REQUESTS], expected * elapsed)
            if now[BUDGET] < np.inf:
                due = (elapsed - (1 - now[REACHABLE])) / now[REACHABLE] if now[REACHABLE] > 0 else 0.0
                x[16] = 5 * (due - now[SPENT])
                if now[COULD_BID] > 0:
                    x[18] = now[SPEND] / max(now[BUDGET] * max(forecast[tick - 1], 1e-9), 1e-9) - 1
                if tick < ticks:
                    x[20] = log_ratio(now[LEFT] / max(1 - elapsed, 1e-9), last3[SPEND] / max(lately, 1e-9))
            if today[ALLOWED] > 0 and today[SPEND] > 0:
                x[21] = log_ratio(today[SPEND], today[ALLOWED])
        for i in range(x.size):
            x[i] = min(max(x[i], -BOUND), BOUND)


@inlined
def add(now: Any, today: Any, recent: Any, tick: Any) -> None:
    """Adds the tick that has ended to the sums of a campaign; `recent` is a ring of ticks and, behind it, their sum."""
    for row in range(SUMS):
        today[row] += now[row]
        recent[tick % RECENT, row] = now[row]
        recent[RECENT, row] = recent[:RECENT, row].sum()


@inlined
def log_ratio(above: Any, below: Any) -> Any:
    """log(above / below), at the bounds where either is nothing, 0 where both are."""
    if above > 0 and below > 0:
        return math.log(above / below)
    return BOUND * ((above > 0) - (below > 0))
