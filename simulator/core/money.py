"""Money: whole millionths of currency."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MICRO = 1_000_000
UNLIMITED = np.int64(1 << 61)


def micros(currency: ArrayLike) -> NDArray[np.int64]:
    """Money as whole millionths, to the nearest: 2.01 times a million falls short of 2,010,000 by a rounding error."""
    return np.rint(np.asarray(currency, np.float64) * MICRO).astype(np.int64)


LARGEST = 1e9  # multiplier, factor on a value, or bid in currency
