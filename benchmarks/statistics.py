"""Means and interquartile means over cases with stratified bootstrap intervals; differences are paired by common luck.

A bootstrap resample is a row of weights on the cases, so a mean is a matrix product and every policy of a comparison meets
the same resamples. Strata are what a comparison fixes by design: here the campaign in the seat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 10_000
TRIMMED = 0.25  # of the cases at either end, in an interquartile mean


class Estimate(NamedTuple):
    """A number and its 95% percentile bootstrap interval (Efron & Tibshirani 1993)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def resamples(strata: Sequence[int], seed: int = 0) -> Floats:
    """Weights of the cases in each bootstrap resample, shape (RESAMPLES, cases); each row sums to the number of cases.

    `strata` names the stratum of each case. From a stratum of n cases n - 1 are drawn with replacement, each with weight
    n / (n - 1): so the spread of a mean is estimated without the shrinkage by (n - 1) / n of drawing n, which halves the
    variance where a stratum has two cases (McCarthy & Snowden 1985; Rao & Wu, JASA 1988). Strata of a single case say
    nothing about spread and are collapsed into one (Cochran 1977, section 5A.12); a single one left over joins the
    smallest stratum. A case that is alone altogether always weighs 1.
    """
    dice = np.random.default_rng(seed)
    weights = np.ones((RESAMPLES, len(strata)))
    for cases in _collapsed(np.asarray(strata)):
        drawn = dice.integers(cases.size, size=(RESAMPLES, cases.size - 1))
        counts = np.zeros((RESAMPLES, cases.size))
        np.add.at(counts, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
        weights[:, cases] = counts * (cases.size / (cases.size - 1))
    return weights


def _collapsed(strata: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The cases of each stratum of two cases or more, single ones joined."""
    groups = [np.flatnonzero(strata == name) for name in dict.fromkeys(strata.tolist())]
    alone = [group for group in groups if group.size == 1]
    groups = sorted((group for group in groups if group.size > 1), key=len)
    if len(alone) == 1 and groups:
        groups[0] = np.sort(np.concatenate([groups[0], alone[0]]))
    elif len(alone) > 1:
        groups.append(np.concatenate(alone))
    return groups


def mean(values: Floats, weights: Floats) -> Estimate:
    """The mean of one number per case. For a paired difference, pass the differences."""
    return _estimate(float(values.mean()), weights @ values / values.size)


def ratio(values: Floats, yardstick: Floats, weights: Floats) -> Estimate:
    """Sum of values over sum of yardsticks: a share in which large cases count for what they are."""
    return _estimate(float(values.sum() / yardstick.sum()), (weights @ values) / (weights @ yardstick))


def iqm(values: Floats, weights: Floats) -> Estimate:
    """The interquartile mean: of the middle half of the cases, less swayed by single days than the mean.

    As rliable has it (Agarwal et al., NeurIPS 2021): floor(n / 4) cases are dropped at either end. In a resample the same
    share of the weight is dropped.
    """
    order = np.argsort(values, kind="stable")
    cut = float(int(TRIMMED * values.size))
    reached = np.cumsum(np.vstack([np.ones(values.size), weights])[:, order], axis=1)
    kept = np.diff(np.clip(reached, cut, values.size - cut), axis=1, prepend=cut)
    found = kept @ values[order] / (values.size - 2 * cut)
    return _estimate(float(found[0]), found[1:])


def _estimate(point: float, resampled: Floats) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(point, float(low), float(high))
