"""What whoever casts creatives is told: of the market as such, and how things stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...engine.casting import WIDTH, Column, Row

__all__ = ["WIDTH", "Column", "CreativeView", "Facts", "Row", "rows_of"]


class Facts(NamedTuple):
    """What is known before any creative is shown; A ads with up to C creatives, S segments of users."""

    days: int
    ticks: int  # of a day
    ads: int  # A, all of the market
    creatives: int  # C
    segments: int  # S
    formats: int
    click_rate: float  # of an average ad and user
    conversion_rate: float  # a click, mean over campaigns
    impressions: float  # of an ad in the whole run, about
    fatigue: float  # a user who has seen a creative n times clicks (1 + n)^-fatigue times as often
    # (formats, S, 2) clicks, and clicks that belief and fatigue let expect, on an earlier day on which ads rotated evenly
    # the creatives that are there from the start; called, since most have no use for it
    history: Callable[[], Floats]


class CreativeView(NamedTuple):
    """How things stand as a tick opens; of the ads that are held, counts being of the run so far."""

    day: int
    tick: int
    ticks: int
    facts: Facts
    ad: Integers  # (held,) number in the market, which is its row of a rule's `own`
    there: NDArray[np.bool_]  # (held, C) creatives that have come
    format: Integers  # (held, C) places in `scenario.creatives.FORMATS`; -1: the ad has none there
    content: Floats  # (held, C) best linear guess of their appeal from embeddings, log-odds
    shown: Integers  # (held, C, S) impressions
    clicks: Integers  # (held, C, S)
    expected: Floats  # (held, C, S) clicks that belief and fatigue let expect, were all creatives alike
    reported: Integers  # (held, C) conversions


def rows_of(shown: Floats) -> Floats:
    """What is shown of each creative in the view of an impression, (C, len(Row))."""
    return shown[Column.ROWS :].reshape(-1, WIDTH)
