"""What people do: the true rates behind an impression, and how long a conversion takes to be reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.compiled import inlined
from ..scenario.response import DelayPart


def delay_table(parts: Sequence[DelayPart], window_days: float) -> NDArray[np.float64]:
    """Rows (cumulative weight, 1 / shape, scale in microseconds, probability inside the window) of a mixture of Weibulls.

    Each part is truncated at the window, so that every conversion happens inside it.
    """
    window = window_days * 86_400.0
    rows, total = [], sum(part.weight for part in parts)
    reached = 0.0
    for part in parts:
        reached += part.weight / total
        inside = 1.0 - math.exp(-((window / part.scale_s) ** part.shape))
        rows.append((reached, 1.0 / part.shape, part.scale_s * 1e6, inside))
    return np.array(rows)


@inlined
def delay_us(table: Any, u: Any) -> Any:
    """The delay in microseconds at quantile u, by inversion: the part first, then Weibull(u) inside the window."""
    part, before = 0, 0.0
    while part + 1 < table.shape[0] and u >= table[part, 0]:
        before = table[part, 0]
        part += 1
    inner = (u - before) / (table[part, 0] - before)
    return np.int64(table[part, 2] * (-math.log1p(-inner * table[part, 3])) ** table[part, 1])
