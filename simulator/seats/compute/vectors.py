"""How the compute seat looks to a learner: a row a tier, computed from views alone, and what actions stand for.

The docstring of `AdArena/Compute-v0` says what each feature is.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats
from .decisions import Depth
from .lately import Ahead, Following
from .view import ComputeView

FEATURES = (
    "sin_time", "cos_time", "forecast", "room", "servers", "traffic_last", "traffic_lately", "load",
    "place", "forecast_share", "share", "worth", "lost", "stepped_down", "wait", "waiting", "depth",
)  # fmt: skip
BOUND = 5.0  # observations lie from -BOUND to BOUND
REACH = math.log(4.0)  # of an action of 1, in logs of the work a request
MEMORY, FOLLOW = 0.5, 0.3  # weights of the last interval in what traffic and worth have lately been
SERVED = 10.0  # requests of an interval that count for half of `FOLLOW`


class ComputeVectors:
    """See `Vectors`. An action a stands for exp(log(4) a) times the server seconds there are for each expected request."""

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 1

    def observe(self, view: ComputeView) -> NDArray[np.float32]:
        """The observation at the start of an interval, (held, 17); `view.number == view.intervals` is the close of the day."""
        held = len(view.tiers)
        if view.number == 0:
            self._ahead, self._following = Ahead(MEMORY), Following(held, FOLLOW, SERVED)
            self._even = max(view.forecast.sum(axis=1).mean(), 1e-9)  # requests of an interval, over the day
            self._place = np.linspace(-1, 1, held) if held > 1 else np.zeros(1)
        self._ahead.see(view)
        self._following.see(view)
        now, coming = min(view.number, view.intervals - 1), view.coming
        arrived = np.maximum(view.arrived, 1.0) if view.number else coming
        capacity, time = max(view.servers, 0.5) * view.interval_s, 2 * math.pi * now / view.intervals
        deadline = min(view.deadline_s, 60.0)
        of_all = (
            math.sin(time), math.cos(time), math.log(max(coming.sum() / self._even, 1e-9)),
            math.log(capacity / max(self._expected(view), 1e-9)), view.servers / view.planned, self._ahead.last,
            self._ahead.log, (view.work_s.sum() + view.others.work_s) / capacity,
        )  # fmt: skip
        out = np.empty((held, len(FEATURES)))
        out[:, : len(of_all)] = of_all
        out[:, 8] = self._place
        out[:, 9] = held * coming / max(coming.sum(), 1e-9) - 1
        out[:, 10] = held * arrived / max(arrived.sum(), 1e-9) - 1
        out[:, 11] = self._following.log + np.log(view.usual[now])
        out[:, 12] = view.lost / np.maximum(view.arrived, 1)
        out[:, 13], out[:, 14] = view.stepped_down, view.wait_s / deadline
        out[:, 15], out[:, 16] = 10 * view.waiting / max(coming.sum(), 1.0), 2 * view.depth - 1
        return np.clip(out, -BOUND, BOUND).astype(np.float32)

    def decide(self, view: ComputeView, actions: Floats) -> Depth:
        """See `Vectors.decide`."""
        each = max(view.servers, 0.5) * view.interval_s / max(self._expected(view), 1e-9) * np.exp(REACH * actions[:, 0])
        return Depth(view.earnings.depth_of(each))

    def _expected(self, view: ComputeView) -> float:
        """Requests of the interval that begins, by the forecast and what traffic has lately been over it, and the queue."""
        own = view.coming.sum() * math.exp(self._ahead.log) + view.waiting.sum()
        return float(own + view.others.arrived + view.others.waiting)
