"""What a compiled rule writes down of the rates it is shown, so that a bidder can fit its formula to them between ticks.

The state of such a rule begins with the historic mean rate and two parameters of the rule's own; then come counts of the
requests seen, by the logarithm of their rate over that mean.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...simulator.core.arrays import Floats

MEAN, FIRST, SECOND, COUNTS = range(4)  # places in the state
BINS, MIDDLE, STEPS = 64, 40, 4  # the mean is in the middle; steps in an octave


@numba.njit(error_model="numpy")
def note(rate: float, state: Any) -> None:
    """Counts a request by its rate; a rate of 0 is nothing to bid on and not counted."""
    if rate > 0 and state[MEAN] > 0:
        place = int(np.rint(STEPS * math.log2(rate / state[MEAN]))) + MIDDLE
        state[COUNTS + max(0, min(place, BINS - 1))] += 1.0


def blank(mean: Floats) -> Floats:
    """The state, shape (held, width), of rules that have seen nothing yet."""
    state = np.zeros((mean.size, COUNTS + BINS))
    state[:, MEAN] = mean
    return state


def distribution(state: Floats) -> tuple[Floats, Floats]:
    """Rates and their shares, each of shape (held, BINS), of the requests seen; at first all are of the mean rate."""
    counts = state[:, COUNTS:].copy()
    counts[counts.sum(axis=1) == 0, MIDDLE] = 1.0
    rate = state[:, MEAN, None] * 2.0 ** ((np.arange(BINS) - MIDDLE) / STEPS)
    return rate, counts / counts.sum(axis=1, keepdims=True)
