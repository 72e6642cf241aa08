"""Places of a page, and the patterns they make."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Integers
from ...simulator.seats.allocation.view import Facts


def placed(facts: Facts) -> Integers:
    """The pattern of each choice of places, (2^S,), read from the top: who may not carry an ad for those above carries none."""
    places, apart, most = facts.carries.shape[1], facts.pages.apart, int(facts.ads.max())
    number: dict[tuple[int, ...], int] = {tuple(np.flatnonzero(row).tolist()): n for n, row in enumerate(facts.carries)}
    found = np.zeros(1 << places, np.int64)
    for bits in range(1 << places):
        kept: list[int] = []
        for place in range(places):
            if bits >> place & 1 and len(kept) < most and (not kept or place - kept[-1] > apart):
                kept.append(place)
        found[bits] = number[tuple(kept)]
    return found
