"""What the platform may decide for each campaign: a factor on its bids, and in what share of auctions it takes part."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Floats
from ...core.errors import PolicyError
from ...engine.exchange import LEAST_FACTOR
from ..seat import Policy
from .view import PacingView


class Pace(NamedTuple):
    """How campaigns are paced until the next decision; each field has shape (held,), or is one number for all.

    `factor` multiplies whatever the campaign bids, from 1e-6 to 1. `participation`, from 0 to 1, is the share of requests in
    whose auctions it may take part; which, is drawn by request and campaign, the same ones at the same share.
    """

    factor: Any = 1.0
    participation: Any = 1.0


class PacingPolicy(Policy[PacingView, Pace]):
    """Base of those who pace campaigns, asked at each tick before campaigns bid; the units they hold are campaigns."""

    seat = "pacing"


def checked(who: str, decision: Any, held: int) -> Pace:
    """The decision with arrays (held,). Raises `PolicyError` if it is not allowed."""
    if not isinstance(decision, Pace):
        raise PolicyError(f"{who} must decide a Pace, not {type(decision).__name__}")
    return Pace(
        _checked(who, "factor", decision.factor, held, LEAST_FACTOR),
        _checked(who, "participation", decision.participation, held, 0.0),
    )


def _checked(who: str, what: str, given: Any, held: int, least: float) -> Floats:
    try:
        values = np.asarray(given, np.float64)
        values = values if values.shape == (held,) else np.broadcast_to(float(values), (held,))
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must decide a {what} for each of its {held} campaigns, not {given!r}") from None
    if held and not least <= values.min() <= values.max() <= 1:  # not so for NaN
        bad = values[~((values >= least) & (values <= 1))][0]
        raise PolicyError(f"{who} decided the {what} {bad}: numbers from {least:g} to 1 are allowed")
    return values
