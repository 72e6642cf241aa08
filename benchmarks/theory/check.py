"""A check against theory: what theory expects, what the market gave, and how far apart they may lie."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

SHOWN = 1e-5  # of a number: what five digits do not show
LIMIT = 4.0  # standard errors; by chance one normal error in 16,000 is larger


class Check(NamedTuple):
    """One number of theory beside the same number of the market.

    A Monte Carlo check passes within `LIMIT` standard errors, an exact one within `tolerance`, in the unit of its numbers.
    """

    name: str
    source: str  # formula, and where it comes from
    expected: float
    measured: float
    standard_error: float  # of measured - expected; 0 in an exact check
    exact: bool = False
    tolerance: float = 0.0

    @property
    def sigmas(self) -> float:
        """The error in standard errors; 0 or infinite where there is no standard error."""
        error = self.measured - self.expected
        if self.standard_error > 0:
            return float(error / self.standard_error)
        return 0.0 if abs(error) <= self.tolerance else math.copysign(math.inf, error)

    @property
    def allows(self) -> str:
        """What it allows for, in words: its standard error, so much, or nothing that five digits could show."""
        if not self.exact:
            return f"{self.standard_error:.2g}"
        return f"within {self.tolerance:.2g}" if self.tolerance > SHOWN * max(abs(self.expected), 1.0) else "exact"

    @property
    def passed(self) -> bool:
        """Whether market and theory agree."""
        if self.exact:
            return bool(abs(self.measured - self.expected) <= self.tolerance)
        return bool(abs(self.sigmas) <= LIMIT)


def sampled(name: str, source: str, expected: float, samples: ArrayLike, expected_error: float = 0.0) -> Check:
    """A Monte Carlo check of a mean, from independent samples of it (ticks, days or seeds), shape (n,).

    `expected_error` is the standard error of the expected number itself, where that was found by simulation.
    """
    values = np.asarray(samples, np.float64)
    error = values.std(ddof=1) / math.sqrt(values.size)
    return Check(name, source, expected, float(values.mean()), math.hypot(float(error), expected_error))


def ratio(name: str, source: str, expected: float, above: ArrayLike, below: ArrayLike) -> Check:
    """A Monte Carlo check of mean(above) / mean(below), standard error by the delta method; both of shape (n,)."""
    over, under = np.asarray(above, np.float64), np.asarray(below, np.float64)
    measured = over.mean() / under.mean()
    error = (over - measured * under).std(ddof=1) / math.sqrt(over.size) / abs(under.mean())
    return Check(name, source, expected, float(measured), float(error))


def equal(name: str, source: str, expected: float, measured: float, tolerance: float = 0.0) -> Check:
    """An exact check."""
    return Check(name, source, expected, float(measured), 0.0, exact=True, tolerance=tolerance)
