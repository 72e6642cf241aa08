"""Bid in proportion to the predicted rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import check_number


@dataclass
class Linear(BidPolicy):
    """bid = base_bid x rate / (mean historic rate)  (Perlich et al., KDD 2012; LIN of Zhang, Yuan & Wang, KDD 2014).

    `base_bid` is what an average impression is bid, in currency (in a replay: in the log's own unit). None: what an
    impression cost on average on the historic day. A campaign whose history lacks what the formula divides by, or whose
    history cost nothing where `base_bid` is None, bids its prior multiplier.
    """

    by_unit: ClassVar[bool] = True

    base_bid: float | None = None  # above 0

    def __post_init__(self) -> None:
        if self.base_bid is not None:
            check_number(self, "base_bid", above=0)

    def decide(self, view: BidView) -> Decision:
        history = view.history
        known = history.rate > 0
        if self.base_bid is None:
            known &= (history.spend > 0) & (history.impressions > 0)
            base = np.divide(history.spend, history.impressions, out=np.zeros_like(history.spend), where=known)
        else:
            base = np.full_like(view.prior, self.base_bid)
        multiplier = view.prior.copy()
        np.divide(base, history.rate * view.target, out=multiplier, where=known)
        return Multiplier(multiplier)
