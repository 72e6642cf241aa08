"""Bid what a conversion is worth: the dominant strategy of a second-price auction without budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView


@dataclass
class Truthful(BidPolicy):
    """bid = target x rate (Vickrey 1961). It ignores its budget, which may be gone long before the day is."""

    by_unit: ClassVar[bool] = True

    def decide(self, view: BidView) -> Decision:
        return Multiplier(1.0)
