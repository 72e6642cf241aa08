"""How often 95% intervals hold the truth, by simulation: seats in turn of eight campaigns, days of several shapes.

Levels, spreads and sizes of the campaigns are those of `dual` on 240 days of `bidding-small`, whose days are skewed by -1.2.
`pytest tests/benchmarks/comparison/test_coverage.py -s` prints every share.
"""

import numpy as np
import pytest
from scipy.stats import trim_mean

from adarena.benchmarks.comparison import statistics

CAMPAIGNS, REPEATS = 8, 2500
LEVELS = np.array([0.52, 0.60, 0.29, -0.76, 0.27, -0.03, -0.05, -0.83])  # of shares, in mean spreads
SPREADS = np.array([0.68, 0.80, 0.78, 0.83, 0.72, 1.33, 0.89, 1.59])
SIZES = np.array([3.00, 0.79, 1.45, 0.68, 0.48, 0.73, 0.41, 0.47])  # of clairvoyant bounds, in means
WEATHER = 0.47  # of bounds: their spread from day to day, of the logarithm
CHANCE = 2 * np.sqrt(0.95 * 0.05 / REPEATS)  # two binomial standard errors, 0.9 points


def normal(dice, shape):
    return dice.normal(size=shape)


def bad_days(dice, shape):
    """Bounded above, with a tail of bad days: skewness -1.3."""
    a, b = 9.0, 1.2
    return (dice.beta(a, b, shape) - a / (a + b)) / np.sqrt(a * b / (a + b) ** 2 / (a + b + 1))


def good_days(dice, shape):
    """A difference that is large on some days: lognormal, skewness 1.75."""
    sigma = 0.5
    return (np.exp(sigma * dice.normal(size=shape)) - np.exp(sigma**2 / 2)) / np.sqrt((np.exp(sigma**2) - 1) * np.exp(sigma**2))


def shares(days, seats, dice, repeats):
    """Days' shares, (repeats, days): a campaign's level, and its spread times a day of the shape."""
    return 0.8 + 0.08 * (LEVELS[seats] + SPREADS[seats] * days(dice, (repeats, seats.size)))


def coverage(estimate, days, count, repeats=REPEATS):
    """How often `estimate`'s interval holds the truth over `count` days."""
    seats, dice = np.arange(count) % CAMPAIGNS, np.random.default_rng(count)
    drawn = shares(days, seats, dice, repeats)
    truth = 0.8 + 0.08 * LEVELS[seats].mean()
    groups = statistics.strata(seats)
    if estimate == "ratio":
        bounds = SIZES[seats] * np.exp(WEATHER * dice.normal(size=drawn.shape))
        truth = float(np.average(0.8 + 0.08 * LEVELS[seats], weights=SIZES[seats]))
        found = [statistics.ratio(s * b, b, groups) for s, b in zip(drawn, bounds, strict=True)]
    elif estimate == "difference":  # from a policy of normal days: what both share cancels, the spread of both remains
        weather = dice.normal(0.0, 0.3, drawn.shape)
        other = weather + 0.06 * SPREADS[seats] * dice.normal(size=drawn.shape)
        found = [statistics.mean(one - two, groups) for one, two in zip(weather + drawn, other, strict=True)]
    elif estimate == "iqm":
        truth = trim_mean(shares(days, seats, np.random.default_rng(99), 200_000 // count).ravel(), int(count / 4) / count)
        found = [statistics.iqm(s, groups) for s in drawn]
    else:
        found = [statistics.mean(s, groups) for s in drawn]
    return float(np.mean([f.interval.low <= truth <= f.interval.high for f in found]))


@pytest.mark.parametrize("estimate", ["mean", "difference", "ratio", "iqm"])
@pytest.mark.parametrize("days", [normal, bad_days, good_days])
def test_intervals_hold_the_truth_as_often_as_they_say(estimate, days):
    """Within two points; a ratio more often, as the largest campaign decides it, whose days are the calmest of all."""
    found = {count: coverage(estimate, days, count) for count in (8, 12, 16, 20, 50)}
    print(f"\n{days.__name__:10s} {estimate:10s}", *(f"{count}: {share:.1%}" for count, share in found.items()))
    most = 0.99 if estimate == "ratio" else 0.97
    assert all(0.93 - CHANCE <= share <= most + CHANCE for share in found.values()), found
