"""What has lately been: by how much traffic runs ahead of the forecast, and requests earn more than usual."""

from __future__ import annotations

import numpy as np

from ...core.arrays import Floats
from .view import ComputeView


class Ahead:
    """By how much traffic runs ahead of the forecast: an average of logs over intervals; `memory` is the weight of the last."""

    FEW = 5.0  # requests that are added on either side of the ratio, so that little evidence says little

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self.log = self.last = 0.0

    def see(self, view: ComputeView) -> None:
        """Takes the interval that has ended into account; a day begins at 0."""
        if view.number == 0:
            self.log = self.last = 0.0
            return
        expected = float(view.forecast[view.number - 1].sum())
        self.last = float(np.log((view.arrived.sum() + self.FEW) / (expected + self.FEW)))
        self.log += self._memory * (self.last - self.log)


class Following:
    """Worth that follows what requests earn: a factor by tier on what is usual, an average of logs over intervals.

    `follow` is the weight of an interval, less where fewer than `prior` requests were served.
    """

    FEW = 1.0  # currency, as above

    def __init__(self, tiers: int, follow: float, prior: float) -> None:
        self._follow, self._prior = follow, prior
        self.log = np.zeros(tiers)

    def see(self, view: ComputeView) -> None:
        """Takes the interval that has ended into account; a day begins at 0."""
        if view.number == 0:
            self.log[:] = 0.0
            return
        usual = view.served * view.earnings.revenue_at(view.depth) * view.usual[view.number - 1]
        weight = self._follow * view.served / (view.served + self._prior)
        self.log += weight * (np.log((view.revenue + self.FEW) / (usual + self.FEW)) - self.log)

    def worth(self, view: ComputeView) -> Floats:
        """What a request of the coming interval is worth at each depth, (held, D)."""
        followed: Floats = view.worth * np.exp(self.log)[:, None]
        return followed
