"""What whoever runs the auction may decide: reserves, squashing, and quality."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Floats
from ...core.errors import PolicyError
from ...core.money import LARGEST
from ...core.numeric import real
from ...engine.exchange import LARGEST_RESERVE, LARGEST_SQUASHING, LEAST_RESERVE
from ..seat import Policy
from .view import AuctionView

LEAST_QUALITY = 1e-6


class Sale(NamedTuple):
    """How impressions are sold until the next decision; arrays have shape (K,), or are one number for all; None: as before.

    A bid for a click ranks by bid x (believed click rate) ^ `squashing` x `quality`, and a winner pays the least with which it
    would still have won, at least its `reserve`, currency an impression.
    """

    reserve: Any = None
    squashing: float | None = None
    quality: Any = None


class AuctionPolicy(Policy[AuctionView, Sale]):
    """Base of those who set the rules of the auction, asked at each tick before campaigns bid; the one unit is the market."""

    seat = "auction"


class Checked(NamedTuple):
    """A decision in canonical form; arrays (K,) or None."""

    reserve: Floats | None
    squashing: float | None
    quality: Floats | None


def checked(who: str, decision: Any, campaigns: int) -> Checked:
    """The decision in canonical form. Raises `PolicyError` if it is not allowed."""
    if not isinstance(decision, Sale):
        raise PolicyError(f"{who} must decide a Sale, not {type(decision).__name__}")
    squashing = None
    if decision.squashing is not None:
        squashing = real(decision.squashing)
        if squashing is None or not 0 <= squashing <= LARGEST_SQUASHING:
            raise PolicyError(f"{who} decides squashing from 0 to {LARGEST_SQUASHING:g}, not {decision.squashing!r}")
    return Checked(
        _checked(who, "reserve", decision.reserve, campaigns, LEAST_RESERVE, LARGEST_RESERVE),
        squashing,
        _checked(who, "quality", decision.quality, campaigns, LEAST_QUALITY, LARGEST),
    )


def _checked(who: str, what: str, given: Any, campaigns: int, least: float, most: float) -> Floats | None:
    if given is None:
        return None
    try:
        values = np.asarray(given, np.float64)
        values = values if values.shape == (campaigns,) else np.broadcast_to(float(values), (campaigns,))
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must decide a {what} for each of {campaigns} campaigns, or for all, not {given!r}") from None
    if not least <= values.min() <= values.max() <= most:  # not so for NaN
        bad = values[~((values >= least) & (values <= most))][0]
        raise PolicyError(f"{who} decided the {what} {bad}: numbers from {least:g} to {most:g} are allowed")
    return values
