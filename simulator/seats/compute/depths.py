"""Depth: one number from 0 to 1 for what a request may cost, between cached ads and the full quotas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...core.arrays import Floats, Integers

GRID: Floats = np.linspace(0.0, 1.0, 41)  # of depths at which things are known
CACHED = float(GRID[1]) / 2  # below which nothing is recalled, and cached ads are shown
RECALL, ROUGH = 2 / 75, 1 / 25  # of the full quotas, at the least depth


def quotas_at(depth: ArrayLike, full: Integers, cached: int) -> Integers:
    """Quotas at depths (...): recall, rough and fine, (..., 3), of a tier whose `full` quotas (..., 3) these are.

    Recall and rough sort grow geometrically up to the full ones, the fine sort passes as many as it can of those. `cached` is
    how many ads there are for a request for which nothing is recalled.
    """
    x = np.asarray(depth, np.float64)[..., None]
    most = np.broadcast_to(full, (*x.shape[:-1], 3)).astype(np.float64)
    least = np.maximum(most[..., :2] * (RECALL, ROUGH), 1.0)
    deep = np.rint(least * (np.maximum(most[..., :2], 1.0) / least) ** x).astype(np.int64)
    deep = np.minimum(deep, np.broadcast_to(full, (*x.shape[:-1], 3))[..., :2])
    fine = np.minimum(deep[..., 1], most[..., 2].astype(np.int64))
    shallow = np.zeros_like(deep)
    few = np.minimum(cached, most[..., 2].astype(np.int64))
    is_cached = x < CACHED
    return np.concatenate([np.where(is_cached, shallow, deep), np.where(is_cached[..., 0], few, fine)[..., None]], axis=-1)
