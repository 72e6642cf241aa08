"""The dual, with what is left planned anew at each tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.bidding.view import BidView
from ..bidding.budgets import has_money
from .dual import DualMirrorDescent


@dataclass
class ReplanningDual(DualMirrorDescent):
    """`DualMirrorDescent` that wants of a tick the budget left times its share of the traffic that is still to come.

    What was spent too fast or too slowly is made up for by all of the rest, where the other follows the course of the forecast
    and never looks at what is left until it is gone.
    """

    def wanted(self, told: BidView) -> Floats:
        rest = float(told.forecast[told.tick :].sum())
        share = float(told.forecast[told.tick]) / rest if rest > 0 else 1.0
        return np.where(has_money(told) & np.isfinite(told.budget), share * told.budget_left, 0.0)
