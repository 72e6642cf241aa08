"""What policies that plan have in common: depths under a price of server seconds, and worth that follows what was earned."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.compute.view import ComputeView, Earnings

# Of a server second, as multiples of the mean worth of a request at full depth.
PRICES: Floats = np.exp(np.linspace(-7.0, 3.0, 121))
FEW = 1.0  # requests or currency that are added on either side of a ratio, so that little evidence says little


def depths_at(price: float, worth: Floats, earnings: Earnings) -> Floats:
    """Of each tier the depth (held,) whose worth (held, D) less its server seconds at a price is largest.

    It is DCAF's rule (Jiang et al. 2020): the best action of each request under a multiplier of the budget of computation.
    """
    best: Floats = earnings.depths[np.argmax(worth - price * earnings.work_s, axis=1)]
    return best


def depths_within(requests: Floats, seconds: float, worth: Floats, earnings: Earnings) -> Floats:
    """Depths (held,) at the least price at which so many `requests` (held,) cost no more than so many server seconds.

    Where even the highest price is too low, what that asks for.
    """
    if requests @ earnings.work_s[:, -1] <= seconds:
        return np.ones(requests.size)
    prices = PRICES * max(float(worth[:, -1].mean()), 1e-12)
    best = np.argmax(worth - prices[:, None, None] * earnings.work_s, axis=2)  # (prices, held)
    asked = (requests * np.take_along_axis(earnings.work_s, best.T, axis=1).T).sum(axis=1)
    depths: Floats = earnings.depths[best[min(int(np.searchsorted(-asked, -seconds)), len(best) - 1)]]
    return depths


class Following:
    """Worth that follows what requests earn: a factor by tier on what is usual, an average of logs over intervals.

    `follow` is the weight of an interval, less where fewer than `prior` requests were served.
    """

    def __init__(self, tiers: int, follow: float, prior: float) -> None:
        self._follow, self._prior = follow, prior
        self.log = np.zeros(tiers)

    def see(self, view: ComputeView) -> None:
        """Takes the interval that has ended into account, unless it is the first that begins."""
        if view.number == 0:
            self.log[:] = 0.0
            return
        earned = [np.interp(d, view.earnings.depths, row) for d, row in zip(view.depth, view.earnings.revenue, strict=True)]
        usual = view.served * np.array(earned) * view.usual[view.number - 1]
        weight = self._follow * view.served / (view.served + self._prior)
        self.log += weight * (np.log((view.revenue + FEW) / (usual + FEW)) - self.log)

    def worth(self, view: ComputeView) -> Floats:
        """What a request of the coming interval is worth at each depth, (held, D)."""
        followed: Floats = view.worth * np.exp(self.log)[:, None]
        return followed


class Ahead:
    """By how much traffic runs ahead of the forecast: an average of logs over intervals; `memory` is the weight of the last."""

    FEW = 5.0  # requests, as above

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self.log = self.last = 0.0

    def see(self, view: ComputeView) -> None:
        """Takes the interval that has ended into account."""
        if view.number == 0:
            self.log = self.last = 0.0
            return
        expected = float(view.forecast[view.number - 1].sum())
        self.last = float(np.log((view.arrived.sum() + self.FEW) / (expected + self.FEW)))
        self.log += self._memory * (self.last - self.log)
