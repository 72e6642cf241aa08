"""Campaigns by vertical, and what they bid: what all who set a reserve for each vertical have in common."""

from __future__ import annotations

import numpy as np

from ...core.arrays import Floats, Integers
from .view import AuctionView


class Verticals:
    """The verticals that have campaigns, V of them in rising order, of `vertical` (K,).

    Attributes:
        count: V.
        of: (K,) place of each campaign's among them.
    """

    def __init__(self, vertical: Integers) -> None:
        names, self.of = np.unique(vertical, return_inverse=True)
        self.count = len(names)
        self._sizes = np.bincount(self.of)

    def total(self, x: Floats | Integers) -> Floats:
        """Sums over the campaigns of each vertical, (V,), of x (K,)."""
        return np.bincount(self.of, x, self.count).astype(np.float64)

    def mean(self, x: Floats | Integers) -> Floats:
        """Means over them, (V,)."""
        means: Floats = self.total(x) / self._sizes
        return means

    def level(self, view: AuctionView) -> Floats:
        """What campaigns of a vertical bid for an impression, on average over them and over an even day's requests, (V,)."""
        return np.maximum(self.mean(bids(view) * view.told.history.rate), 1e-9)


def bids(view: AuctionView) -> Floats:
    """For a conversion, (K,) currency: the target where a campaign bids by request, 0 where its money is spent."""
    known = np.where(np.isnan(view.bid), view.told.target, view.bid)
    return np.where(view.told.budget_left > 0, known, 0.0)
