"""Ranks of one's own making: bonuses from which what campaigns bid has been taken out again."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats, Integers
from ...simulator.seats.ranking.decisions import LARGEST_BONUS, LEAST_BONUS
from ...simulator.seats.ranking.view import RankingView

STEP = 1e-3  # of the log of a rank from one place of an order to the next: far more than rounding, and the sum of all is small


def instead_of_bids(view: RankingView, rank: Floats) -> Floats:
    """The bonuses (A,) with which ads rank by `rank` (A,), times rates where these are not squashed away.

    An ad whose campaign bids by request, or nothing, is ranked by its bid as well: what that will be is not known.
    """
    bid = view.click_bid[view.campaign]
    known = np.isfinite(bid) & (bid > 0)
    return bounded(rank / np.where(known, bid, 1.0))


def by_place(order: Integers) -> Floats:
    """Ranks (A,) for ads in an order of their numbers, the first of which is to rank first."""
    rank = np.empty(order.size)
    rank[order] = np.exp(-STEP * np.arange(order.size))
    return rank


def bounded(bonus: Floats) -> Floats:
    """Bonuses within what is allowed."""
    found: Floats = np.minimum(np.maximum(bonus, LEAST_BONUS), LARGEST_BONUS)
    return found
