"""What pacers have in common: what campaigns bid unpaced, and the factors that lower it to a multiple of their targets.

Policies that pace each campaign for itself decide, as bidders do, what is bid for a conversion over the campaign's target: its
*multiplier*. A campaign that bids more is lowered to it; one that bids less, perhaps because it paces itself, is left alone.
"""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.bidding.view import BidView
from ...simulator.seats.pacing.decisions import Pace
from ...simulator.seats.pacing.vectors import LEAST
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import requests_to_come


def unpaced(view: PacingView) -> Floats:
    """What the held campaigns bid for a conversion over their targets before they are paced, (held,).

    1 where they bid by request: then no more is known than the target.
    """
    own = view.told.multiplier
    return np.where(np.isnan(own), 1.0, own)


def lowered(view: PacingView, multiplier: Floats) -> Pace:
    """Factors at which campaigns bid at most `multiplier` (held,) times their targets, from `LEAST` to 1; 1 without budgets."""
    own = unpaced(view)
    factor = np.divide(multiplier, own, out=np.ones_like(own), where=own > 0)
    return Pace(with_budgets(view, np.clip(factor, LEAST, 1.0)))


def with_budgets(view: PacingView, decided: Floats | float) -> Floats:
    """What is decided for campaigns that have a budget, and 1 for those that need not save, (held,)."""
    return np.where(np.isinf(view.told.budget), 1.0, decided)


def requests_ahead(told: BidView, confidence: float) -> Floats:
    """Requests to expect in the rest of the day, (held,), 1 at least: the forecast, times what traffic has been over it today.

    `confidence`, above 0: as if so much of a day as forecast had been seen beforehand.
    """
    seen, before = told.forecast_requests * told.elapsed, told.forecast_requests * confidence
    ahead: Floats = np.maximum(requests_to_come(told) * (told.today.requests + before) / (seen + before), 1.0)
    return ahead
