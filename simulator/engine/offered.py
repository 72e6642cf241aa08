"""What bidders saw: the believed conversions of all requests, won or lost, added up by campaign."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined, kernel
from ..core.simd import WIDTH
from ..core.sixteen import load, quarters, spread, store
from .state import Sum

PART = WIDTH // 4


@inlined
def sum_of(rate: Any, present: Any, first: Any, end: Any, room: Any) -> Any:
    """The sum of believed rates, float32, from place `first` up to `end`; only of those `present`, where that is told.

    Four sums side by side: each sixteen numbers are four times four, of which two and two are added, then both. It is the order
    of NumPy's `einsum` on processors of four numbers a register, and so the same everywhere.
    """
    total, j = spread(np.float32(0)), first
    while j + WIDTH <= end:
        numbers = load(rate, j)
        if present.size > 0:
            numbers = numbers * load(present, j)
        total = total + quarters(numbers)
        j += WIDTH
    store(room, 0, total)
    while j < end:
        room[(j - first) % PART] += rate[j] * present[j] if present.size > 0 else rate[j]
        j += 1
    return (room[0] + room[1]) + (room[2] + room[3])


@kernel()
def add_offered(first: Any, end: Any, room: Any, state: Any) -> None:
    """Counts the requests in columns from `first` up to `end`; `room` has WIDTH float32."""
    bids, offered, conversion = state.bids, state.tally.sums[Sum.OFFERED], state.terms.believed_conversion
    for row in range(bids.rate.shape[0]):
        if bids.who.size > 0:
            for j in range(first, end):
                k, made = bids.who[row, j], state.block.present[j] if state.block.present.size > 0 else np.float32(1)
                offered[k] += bids.rate[row, j] * made * conversion[k]
        else:
            offered[row] += sum_of(bids.rate[row], state.block.present, first, end, room) * conversion[row]
