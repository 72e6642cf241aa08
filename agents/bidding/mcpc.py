"""Bid the historic cost of a conversion for each expected conversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView


@dataclass
class MCPC(BidPolicy):
    """bid = CPC x rate, CPC = historic spend / historic conversions (clicks, in a replay of clicks).

    Named max eCPC by Zhang, Yuan & Wang (KDD 2014) and in iPinYou's benchmark (Zhang et al. 2014): no impression is
    expected to cost more per conversion than conversions did on average. The amount is in currency and does not follow
    today's value of a conversion. A campaign whose history has no spend or no conversions bids its prior multiplier.
    """

    by_unit: ClassVar[bool] = True

    def decide(self, view: BidView) -> Decision:
        spend, conversions = view.history.spend, view.history.conversions
        known = (spend > 0) & (conversions > 0)
        multiplier = view.prior.copy()
        np.divide(spend, conversions * view.target, out=multiplier, where=known)
        return Multiplier(multiplier)
