"""Means, ratios and interquartile means over cases with 95% intervals; differences are paired by common luck.

The interval is Student's, for a sample in strata. Strata are what a comparison fixes by design: here the campaign in the
seat, so that what campaigns differ in is no uncertainty. Three things are done that the plain formula leaves out:

- Degrees of freedom are those of the strata together (Satterthwaite, Biometrics Bulletin 1946). A stratum of two days knows its
  spread badly, which makes Satterthwaite's own number too small by far; `_degrees` corrects it.
- The interval is bent as the days are skewed (Hall, JRSS B 1992: the cubic transformation of the studentised mean).
- A ratio is a mean of the days' shares, weighed by their size. A share spreads about alike among strata, as money does not:
  so each stratum's spread is drawn towards that of all (a moderated variance, Smyth 2004), else the one day or two of the
  largest campaign would be all that tells of it.

How often such intervals hold the truth is measured by `pytest -s tests/benchmarks/test_coverage.py`: seats in turn of eight
campaigns with levels and spreads as on `bidding-small`, days normal or skewed to either side. Over 12 to 50 days means and
paired differences hold it 94.1% to 96.5% of the time, interquartile means 94.7% to 97.9%, ratios 96.3% to 98.2%; over 8 days
all of them 94.9% to 98.8%. With one day to a campaign what campaigns differ in cannot be set apart from what days differ in, so
there intervals are rather too wide. Out of reach is the kind of day that comes once in fifty, of which a sample knows nothing:
where days are lognormal with sigma 1 (skewness 6), intervals of the mean hold it 90% to 94% of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
LEVEL = 0.95
FEWEST = 8  # days; intervals on fewer do not hold the truth as often as they say
PRIOR = 4.0  # degrees of freedom with which the spread of all strata counts in that of each; by coverage, see `_parts`
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
    share = (kept - 1) / (n - 1)
    # No tails are left: Satterthwaite's number is corrected as for normal cases.
    return _estimate(middle, drawn_in, np.full(n, 1.0 / n), groups, level, correction=2.0, share=share)


def contenders(numbers: Mapping[str, Floats], groups: Strata) -> list[str] | None:
    """Who may have the largest mean: whoever has it here, then those whose paired difference from it may be 0.

    `numbers` holds one number per case for each name. The differences are at 95% together (Bonferroni), so that the truly best
    is left out once in twenty at most. None where cases are too few to tell.
    """
    first, *others = sorted(numbers, key=lambda name: -float(numbers[name].mean()))
    level = 1.0 - (1.0 - LEVEL) / max(len(others), 1)
    found = [first]
    for name in others:
        interval = mean(numbers[first] - numbers[name], groups, level).interval
        if interval is None:
            return None
        if interval.low <= 0.0:
            found.append(name)
    return found


def _estimate(
    point: float, values: Floats, weights: Floats, groups: Strata, level: float, correction: float = 1.0, share: float = 1.0
) -> Estimate:
    """`point`, and the interval of the mean of `values` by `weights`, which sum to 1, set around it.

    `correction` is that of `_degrees`, of whose degrees of freedom a `share` is left.
    """
    if values.size < FEWEST:
        return Estimate(point, None)
    residuals = values - (groups.member @ values / groups.size) @ groups.member
    parts = _parts(residuals, weights, groups)
    if parts.sum() == 0.0:
        return Estimate(point, Interval(point, point))
    quantile = stdtrit(share * _degrees(parts, groups.size - 1, correction), 0.5 + level / 2)
    skewness = (residuals**3).mean() / (residuals**2).mean() ** 1.5 * (weights**3).sum() / (weights**2).sum() ** 1.5
    low, high = point - np.sqrt(parts.sum()) * _unbent(np.array([quantile, -quantile]), skewness)
    return Estimate(point, Interval(float(low), float(high)))


def _parts(residuals: Floats, weights: Floats, groups: Strata) -> Floats:
    """What each stratum's variance brings to that of the weighed mean, (groups,).

    Of a mean with equal weights it is the textbook's: size x variance / cases^2. Where weights differ, a stratum's variance is
    its own with its degrees of freedom, and that of all with `PRIOR` ones: with none a ratio's interval promises too much where
    a campaign has few days, with infinitely many it never learns that a large campaign spreads otherwise than the rest.
    """
    degrees = groups.size - 1
    variance, weight = groups.member @ residuals**2 / degrees, groups.member @ weights**2
    lent = PRIOR / (degrees + PRIOR)
    common = (lent * weight).sum() / (lent * groups.size).sum()
    found: Floats = variance * ((1.0 - lent) * weight + lent * groups.size * common)
    return found


def _degrees(parts: Floats, degrees: Floats, correction: float) -> float:
    """Degrees of freedom of a sum of variances, (groups,), that have their own `degrees` of freedom.

    Satterthwaite's are (sum of V)^2 / (sum of V^2 / d), V being true variances. To put estimates in their place overstates V^2,
    threefold where d is 1. For normal cases V^2 / (d + 2), and 2 off the result, sets that right: a `correction` of 2, where 0
    is none. Variances of days with tails are known less well than those of normal ones; 1, half way, is what fits them.
    """
    found = parts.sum() ** 2 / (parts**2 / (degrees + correction)).sum() - correction
    return float(np.clip(found, 1.0, degrees.sum()))


def _unbent(quantiles: Floats, skewness: float) -> Floats:
    """What a studentised mean of this `skewness` reaches as often as a symmetric one reaches `quantiles`.

    Hall's g(t) = t + k t^2 / 3 + k^2 t^3 / 27 + k / 6 takes the skewness k out of t; this is its inverse.
    """
    if abs(skewness) < 1e-6:  # where the inverse is 0 / 0
        return quantiles
    return 3.0 / skewness * (np.cbrt(1.0 + skewness * (quantiles - skewness / 6.0)) - 1.0)
