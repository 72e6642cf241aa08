"""How the auction seat looks to a learner: a row a vertical, computed from views alone, and what actions stand for.

The docstring of `AdArena/Auction-v0` says what each feature is.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats
from ...engine.exchange import LARGEST_RESERVE, LEAST_RESERVE
from ..seat import Policy
from .decisions import Sale, checked
from .verticals import Verticals
from .view import AuctionView

FEATURES = (
    "time_left", "forecast", "traffic_last", "level", "level_over_market", "level_trend", "rank", "reserve", "sold", "price",
    "clicks", "market_level", "market_sold", "squashing", "base", "base_squashing",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
RECENT = 3  # ticks that the trend looks back
SWING = 0.5  # of squashing, at an action of 1


class AuctionVectors:
    """See `Vectors`; rows are verticals. Actions (a, b) stand for the reserves that `base` decides times reach ^ a, and for its
    squashing plus half the mean of b over verticals, at least 0.

    `base` is a policy of the auction seat, this object's own; it sees what the learner sees.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 2

    def __init__(self, base: Policy[AuctionView, Sale], reach: float) -> None:
        self._base, self._reach = base, math.log(reach)
        self._started = False
        self._levels: list[Floats] = []  # of late
        self._reserve, self._squashing = np.zeros(0), 1.0  # of the base
        self._quality: Floats | None = None

    def observe(self, view: AuctionView) -> NDArray[np.float32]:
        """The observation at the start of a tick, (V, 16); `told.tick == told.ticks` is the close of the day."""
        told = view.told
        if told.tick == 0:
            self._open(view)
        if told.tick < told.ticks:
            self._ask_base(view)
        verticals, rules = self._verticals, view.rules
        log = np.log(verticals.level(view))
        level = log - self._price
        market = float(level.mean())
        self._levels = [*self._levels[-RECENT:], level] if told.tick else [level]
        x = np.zeros((len(FEATURES), verticals.count))
        x[0] = 1 - 2 * told.tick / told.ticks
        x[1] = math.log(max(told.forecast[min(told.tick, told.ticks - 1)] * told.ticks, 1e-3))
        x[3], x[4], x[5] = level, level - market, RECENT * (level - self._levels[0])
        x[6] = 2 * np.argsort(np.argsort(level, kind="stable"), kind="stable") / max(verticals.count - 1, 1) - 1
        x[7] = verticals.mean(_log(rules.reserve)) - log
        if told.tick > 0:
            self._look_back(view, x)
        x[11], x[13] = market, 2 * rules.squashing - 1
        x[14], x[15] = verticals.mean(self._reserve) - log, 2 * self._squashing - 1
        self._log = log
        return np.minimum(np.maximum(x, -BOUND), BOUND).T.astype(np.float32)

    def _look_back(self, view: AuctionView, x: Floats) -> None:
        """The features of the tick that has ended."""
        told, last, verticals = view.told, view.told.last, self._verticals
        requests = max(float(last.requests.max()), 0.5)
        x[2] = math.log(requests / max(told.forecast_requests * told.forecast[told.tick - 1], 1e-9))
        slots = requests * view.rehearsal.exposure.size
        wins, shown = verticals.total(last.wins), verticals.total(last.impressions)
        x[8], x[12] = 2 * wins / slots - 1, 2 * wins.sum() / slots - 1
        x[9] = np.where(shown > 0, _log(verticals.total(last.spend) / np.maximum(shown, 1)) - self._log, 0.0)
        x[10] = 20 * verticals.total(last.clicks) / np.maximum(shown, 1)

    def decide(self, view: AuctionView, actions: Floats) -> Sale:
        """See `Vectors.decide`; actions are (V, 2)."""
        reserve = np.exp(self._reserve + self._reach * actions[self._verticals.of, 0])
        squashing = max(self._squashing + SWING * float(actions[:, 1].mean()), 0.0)
        return Sale(np.minimum(np.maximum(reserve, LEAST_RESERVE), LARGEST_RESERVE), squashing, self._quality)

    def _open(self, view: AuctionView) -> None:
        """A new day: nothing is carried over but what the base remembers."""
        history = view.told.history
        self._verticals = Verticals(view.vertical)
        self._price = float(_log(history.spend.sum() / max(float(history.impressions.sum()), 1e-9)))
        self._log = np.zeros(self._verticals.count)
        self._levels = []
        self._reserve, self._squashing = _log(view.rules.reserve), view.rules.squashing
        self._quality = None

    def _ask_base(self, view: AuctionView) -> None:
        if not self._started:
            self._base.start(view, np.random.default_rng(0))
            self._started = True
        decision: Any = self._base.decide(view)
        if decision is None:
            return
        decided = checked(type(self._base).__name__, decision, view.bid.size)
        if decided.reserve is not None:
            self._reserve = _log(decided.reserve)
        self._squashing = self._squashing if decided.squashing is None else decided.squashing
        self._quality = decided.quality


def _log(x: Any) -> Any:
    return np.log(np.maximum(x, 1e-9))
