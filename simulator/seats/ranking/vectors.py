"""How the ranking seat looks to a learner: one row, computed from views alone, and what actions stand for.

The docstring of `AdArena/Ranking-v0` says what each feature is.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats
from ...engine.exchange import LARGEST_SQUASHING
from ..seat import Policy
from .decisions import Weights, checked
from .view import RankingView, Totals

FEATURES = (
    "played", "left", "made", "satisfaction", "ads", "value", "clicks", "known", "squashing", "cost",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
SWING = 0.3  # of squashing, at an action of 1
KNOWN = 2  # clicks from which on an ad without a history has one
WEEK = 8  # days, in units of which time is told
NOTHING = Totals(0, 0, 0, 0.0, 0.0)


class RankingVectors:
    """See `Vectors`; one row, for the market. Actions (a, b) stand for base squashing + .3 a and base cost x (1 + b).

    `base` is a policy of the ranking seat that sees what the learner sees; what else it decides holds too. `daily`: what is
    decided as a day begins holds for all of it.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 2

    def __init__(self, base: Policy[RankingView, Any], daily: bool) -> None:
        self._base, self._daily, self._started = base, daily, False

    def waits(self, view: RankingView) -> bool:
        """Whether what was last decided still holds."""
        return self._daily and view.told.tick not in (0, view.told.ticks)

    def observe(self, view: RankingView) -> NDArray[np.float32]:
        """The observation, (1, 10), at the start of a tick or day; `told.tick == told.ticks` is the close of the last one."""
        told, totals, users = view.told, view.totals, view.users
        if not self._started:
            self._base.start(view, np.random.default_rng(0))
            self._started, self._before, self._planned, self._action = True, NOTHING, 0, np.zeros(2)
        if told.tick < told.ticks:
            self._weights = self._weights_of(view)
        elapsed = told.day + told.tick / told.ticks
        requests = totals.requests - self._before.requests
        shown = totals.impressions - self._before.impressions
        planned = users.planned - self._planned if users is not None else requests
        x = np.zeros(len(FEATURES))
        x[0], x[1] = elapsed / WEEK, 1 - 2 * elapsed / view.days
        if users is not None:
            x[3] = 5 * (users.satisfaction - 0.8)
        if elapsed > 0:
            value = (totals.believed_value - self._before.believed_value) / max(shown, 1)
            x[2] = requests / max(planned, 1)
            x[4] = shown / max(requests, 1) / 2.4
            x[5] = math.log(max(value / max(self._usual(view), 1e-12), 1e-3)) if shown else 0.0
            x[6] = 10 * (totals.clicks - self._before.clicks) / max(shown, 1)
        x[7] = 2 * float((view.seen.clicks[view.new] >= KNOWN).mean()) - 1 if view.new.any() else 1.0
        x[8], x[9] = self._action
        self._before, self._planned = totals, 0 if users is None else users.planned
        row: NDArray[np.float32] = np.minimum(np.maximum(x, -BOUND), BOUND).astype(np.float32)[None]
        return row

    def _usual(self, view: RankingView) -> float:
        """What an impression is worth on an even day, currency."""
        history = view.told.history
        return float(history.conversions @ view.told.value) / max(float(history.impressions.sum()), 1e-9)

    def _weights_of(self, view: RankingView) -> Weights:
        decision: Any = self._base.decide(view)
        last = self._weights if hasattr(self, "_weights") else Weights(view.squashing, view.cost)
        if decision is None:
            return last
        name = type(self._base).__name__
        found = checked(name, decision, view.new.size, True)
        squashing = last.squashing if found.squashing is None else found.squashing
        cost = last.cost if found.cost is None else found.cost
        return Weights(squashing, cost, found.optimism, found.thompson, found.bonus, found.believe or None)

    def decide(self, view: RankingView, actions: Floats) -> Weights:
        """See `Vectors.decide`; actions are (1, 2)."""
        a, b = self._action = actions[0]
        base = self._weights
        assert base.squashing is not None
        assert base.cost is not None
        squashing = min(max(base.squashing + SWING * float(a), 0.0), LARGEST_SQUASHING)
        return base._replace(squashing=squashing, cost=base.cost * (1 + float(b)))
