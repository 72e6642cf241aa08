"""Means, ratios and interquartile means over cases with 95% intervals; differences are paired by common luck.

The interval is Student's, for a sample in strata. Strata are what a comparison fixes by design: here the campaign in the
seat, so that what campaigns differ in is no uncertainty. Three things are done that the plain formula leaves out:

- A stratum of two or three days knows its own spread badly: it is drawn towards that of all (a moderated variance, Smyth 2004)
  before Satterthwaite's formula (1946) tells the degrees of freedom of the strata together.
- The interval is bent as the days are skewed (Hall, JRSS B 1992: the cubic transformation of the studentised mean).
- A ratio is a mean of the days' shares, weighed by their size. Shares spread about alike among campaigns, as money does not:
  else the one day or two of the largest campaign would be all that tells of a ratio's spread.
- Of few days the bend knows little, and may lead far outside: an interval goes no further than the days themselves, where that
  they all lie on one side of the truth, two to the power 1 - n where nothing is skewed, is rare beside the level.

How often such intervals hold the truth is measured by `pytest -s tests/benchmarks/comparison/test_coverage.py`: seats in turn
of eight campaigns with levels and spreads as on `bidding-small`, days normal or skewed to either side. Over 8 to 50 days
means and paired differences hold it 93.1% to 96.6% of the time, interquartile means 94.8% to 97.2%, ratios 96.0% to 98.1%.
With one day to a campaign (8 days) what campaigns differ in cannot be set apart from what days differ in, so where they
differ much intervals are too wide there. Too short they still are where a few days in a hundred decide: of lognormal days
with sigma 1 (skewness 6) means hold the truth 87% to 92% of the time from 12 days on, and ratios 88% to 93% if the largest
campaign is the wildest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from ...simulator.core.arrays import Floats

LEVEL = 0.95
FEWEST = 8  # days; intervals on fewer do not hold the truth as often as they say
PRIOR = 2.0  # days: how much the spread of all strata counts in that of each
RARE = 0.2  # of what an interval may miss: beside it, whether all days lie on one side of the truth is no matter
TRIMMED = 0.25  # of the cases at either end, in an interquartile mean


class Interval(NamedTuple):
    """Where the truth lies, as often as the interval's level says."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A number, and its 95% interval; None where fewer than `FEWEST` cases were seen."""

    mean: float
    interval: Interval | None


class Strata(NamedTuple):
    """Which cases are spread around one level."""

    member: Floats  # (groups, cases), 1 where a case is in a group, else 0
    size: Floats  # (groups,) cases in it


def strata(names: Sequence[int]) -> Strata:
    """The strata of cases, from the name of each case's stratum.

    Those of a single case say nothing about spread and are collapsed into one (Cochran 1977, section 5A.12), which can only
    overstate it; a single one left over joins the smallest stratum.
    """
    places = np.asarray(names)
    groups = [np.flatnonzero(places == name) for name in dict.fromkeys(places.tolist())]
    alone = [group for group in groups if group.size == 1]
    groups = sorted((group for group in groups if group.size > 1), key=len)
    if len(alone) == 1 and groups:
        groups[0] = np.concatenate([groups[0], alone[0]])
    elif alone:
        groups.append(np.concatenate(alone))
    member = np.zeros((len(groups), places.size))
    for row, group in zip(member, groups, strict=True):
        row[group] = 1.0
    return Strata(member, member.sum(axis=1))


def mean(values: Floats, groups: Strata, level: float = LEVEL) -> Estimate:
    """The mean of one number per case. For a paired difference, pass the differences."""
    return _estimate(float(values.mean()), values, np.full(values.size, 1.0 / values.size), groups, level)


def ratio(values: Floats, yardstick: Floats, groups: Strata, level: float = LEVEL) -> Estimate:
    """Sum of values over sum of yardsticks: a share in which large cases count for what they are.

    No yardstick is negative and some are not 0; a case whose yardstick is 0 has no share and counts for nothing.
    """
    total = float(values.sum() / yardstick.sum())
    shares = np.divide(values, yardstick, out=np.full(values.size, total), where=yardstick > 0)
    return _estimate(total, shares, yardstick / yardstick.sum(), groups, level)


def iqm(values: Floats, groups: Strata, level: float = LEVEL) -> Estimate:
    """The interquartile mean: of the middle half of the cases, less swayed by single days than the mean.

    As rliable has it (Agarwal et al., NeurIPS 2021): floor(n / 4) cases are dropped at either end. Its spread is that of the
    cases drawn in to the last ones kept, and its degrees of freedom are fewer by the cases dropped (Yuen, Biometrika 1974).
    """
    n = values.size
    cut = int(TRIMMED * n)
    ordered, kept = np.sort(values), n - 2 * cut
    middle = float(ordered[cut : n - cut].mean())
    if n < FEWEST:
        return Estimate(middle, None)
    drawn_in = np.clip(values, ordered[cut], ordered[n - cut - 1]) * np.sqrt(n * (n - 1) / (kept * (kept - 1)))
    return _estimate(middle, drawn_in, np.full(n, 1.0 / n), groups, level, (kept - 1) / (n - 1), values)


def _estimate(
    point: float, values: Floats, weights: Floats, groups: Strata, level: float, kept: float = 1.0, days: Floats | None = None
) -> Estimate:
    """`point`, and the interval of the mean of `values` by `weights`, which sum to 1, set around it.

    `kept` is the share of the degrees of freedom that is left; `days` are what was seen, if that is not `values`.
    """
    if values.size < FEWEST:
        return Estimate(point, None)
    residuals = values - (groups.member @ values / groups.size) @ groups.member
    variance, degrees = _variance(residuals, weights, groups)
    if variance == 0.0:
        return Estimate(point, Interval(point, point))
    quantile = stdtrit(kept * degrees, 0.5 + level / 2)
    skewness = (residuals**3).mean() / (residuals**2).mean() ** 1.5 * (weights**3).sum() / (weights**2).sum() ** 1.5
    low, high = point - np.sqrt(variance) * _unbent(np.array([quantile, -quantile]), skewness)
    if 2.0 ** (1 - values.size) < RARE * (1.0 - level):
        seen = values if days is None else days
        low, high = max(low, seen.min()), min(high, seen.max())
    return Estimate(point, Interval(float(low), float(high)))


def _variance(residuals: Floats, weights: Floats, groups: Strata) -> tuple[float, float]:
    """The variance of a weighed mean in strata, and its degrees of freedom.

    Each stratum's variance is drawn towards that of all, which counts as `PRIOR` days more. With equal weights this leaves the
    variance of the mean what it is in the textbook, the sum of size x variance / cases^2.
    """
    own = groups.size - 1
    found, weight = groups.member @ residuals**2 / own, groups.member @ weights**2
    lent = PRIOR / (own + PRIOR)  # the part of each stratum's variance that is that of all
    pool = lent * groups.size / (lent * groups.size).sum()
    moderated = (1.0 - lent) * found + lent * (pool @ found)
    variance = float(weight @ moderated)
    if variance == 0.0:
        return 0.0, float(own.sum())
    parts = ((1.0 - lent) * weight + pool * (lent @ weight)) * moderated  # what each stratum's days have a say in
    return variance, float(np.clip(parts.sum() ** 2 / (parts**2 / own).sum(), 1.0, own.sum()))


def _unbent(quantiles: Floats, skewness: float) -> Floats:
    """What a studentised mean of this `skewness` reaches as often as a symmetric one reaches `quantiles`.

    Hall's g(t) = t + k t^2 / 3 + k^2 t^3 / 27 + k / 6 takes the skewness k out of t; this is its inverse.
    """
    if abs(skewness) < 1e-6:  # where the inverse is 0 / 0
        return quantiles
    return 3.0 / skewness * (np.cbrt(1.0 + skewness * (quantiles - skewness / 6.0)) - 1.0)
