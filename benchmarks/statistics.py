"""Means over seeds with bootstrap intervals; differences are paired by common random numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A mean and its 95% percentile bootstrap interval (Efron & Tibshirani 1993)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def resamples(cases: int, seed: int = 0) -> NDArray[np.int64]:
    """The cases drawn in each bootstrap resample, shape (RESAMPLES, cases): the same for every policy of a comparison."""
    return np.random.default_rng(seed).integers(cases, size=(RESAMPLES, cases))


def mean(values: Floats, drawn: NDArray[np.int64]) -> Estimate:
    """The mean of one number per case. For a paired difference, pass the differences."""
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def ratio(values: Floats, yardstick: Floats, drawn: NDArray[np.int64]) -> Estimate:
    """Sum of values over sum of yardsticks: a share in which large cases count for what they are."""
    low, high = np.percentile(values[drawn].sum(axis=1) / yardstick[drawn].sum(axis=1), [2.5, 97.5])
    return Estimate(float(values.sum() / yardstick.sum()), float(low), float(high))
