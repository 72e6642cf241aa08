"""Histograms of how long things take, by the logarithm of microseconds: quantiles to 2%, in any room, whatever the scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import inlined

OCTAVE = 32  # bins in a doubling


@inlined
def count_time(elapsed_us: Any, histogram: Any) -> None:
    """Counts one case in its bin; the last bin is for all beyond."""
    place = np.int64(np.log2(np.float64(max(elapsed_us, 1))) * OCTAVE)
    histogram[min(place, histogram.size - 1)] += 1


def quantile_us(histogram: NDArray[Any], share: float) -> float:
    """Microseconds below which a share of the cases lies, at the middle of a bin; NaN if there is none."""
    total = histogram.sum()
    if total == 0:
        return float("nan")
    place = int(np.searchsorted(np.cumsum(histogram), share * total))
    return float(2 ** ((place + 0.5) / OCTAVE))
