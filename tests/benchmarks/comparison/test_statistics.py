"""Estimates against known values; intervals against formulae for samples that are simple enough to have one."""

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import trim_mean

from adarena.benchmarks.comparison import statistics


def one_stratum(cases):
    return statistics.strata([0] * cases)


def symmetric(dice, cases):
    """Values without skewness."""
    half = dice.normal(0.0, 1.0, cases // 2)
    return np.concatenate([half, -half])


def width(interval):
    return interval.high - interval.low


@pytest.mark.parametrize("cases", [8, 20, 400])
def test_the_interval_of_symmetric_cases_is_students(cases):
    values = 3.0 + symmetric(np.random.default_rng(1), cases)
    found = statistics.mean(values, one_stratum(cases))
    low, high = student.interval(0.95, cases - 1, values.mean(), values.std(ddof=1) / np.sqrt(cases))
    assert found.mean == pytest.approx(values.mean())
    assert found.interval == pytest.approx((low, high), rel=1e-9)


def test_the_interval_of_skewed_cases_reaches_further_into_the_tail():
    """Of T = (mean - truth) / error Hall's transform is normal: put back in, the ends of the interval give -+ the quantile."""
    values = np.random.default_rng(2).exponential(1.0, 30)
    found = statistics.mean(values, one_stratum(30))
    assert found.interval.high - found.mean > 1.2 * (found.mean - found.interval.low)
    k = ((values - values.mean()) ** 3).mean() / values.std() ** 3 / np.sqrt(30)
    for end, quantile in zip(found.interval, student.ppf([0.975, 0.025], 29), strict=True):
        t = (found.mean - end) / (values.std(ddof=1) / np.sqrt(30))
        assert t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6 == pytest.approx(quantile)


@pytest.mark.parametrize("cases", range(1, 8))
def test_few_cases_have_no_interval(cases):
    values, groups = np.arange(1.0, cases + 1), statistics.strata(range(cases))
    for found in (statistics.mean(values, groups), statistics.iqm(values, groups), statistics.ratio(values, values, groups)):
        assert found.interval is None
        assert np.isfinite(found.mean)


def test_pairing_removes_what_two_policies_share():
    dice, groups = np.random.default_rng(3), one_stratum(40)
    days = dice.normal(0.0, 10.0, 40)
    gain = dice.normal(1.0, 0.5, 40)
    low, high = statistics.mean((days + gain) - days, groups).interval
    assert 0.0 < low < 1.0 < high < 1.5


def test_a_ratio_weighs_cases_by_their_size():
    found = statistics.ratio(np.array([1.0, 30.0]), np.array([2.0, 40.0]), one_stratum(2))
    assert found.mean == pytest.approx(31 / 42)


def test_a_ratio_of_equal_yardsticks_is_a_mean():
    values, seats = np.random.default_rng(4).exponential(1.0, 21), statistics.strata(np.arange(21) % 8)
    ratio, mean = statistics.ratio(5.0 * values, np.full(21, 5.0), seats), statistics.mean(values, seats)
    assert ratio.mean == pytest.approx(mean.mean)
    assert ratio.interval == pytest.approx(mean.interval)


def test_a_ratio_is_as_uncertain_as_its_large_cases_make_it():
    """Shares that spread alike: the variance is that of one share over the effective number of cases (Kish 1965)."""
    shares, sizes = symmetric(np.random.default_rng(5), 2000), np.tile([1.0, 9.0], 1000)
    found = statistics.ratio(shares * sizes, sizes, one_stratum(2000))
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    assert width(found.interval) == pytest.approx(2 * 1.96 * shares.std() / np.sqrt(effective), rel=0.01)


def test_a_case_with_nothing_to_win_counts_for_nothing_in_a_ratio():
    """Not even if there is something in it: no share of nothing, no division by it."""
    values, bounds = np.array([*np.linspace(0.4, 0.9, 9), 0.0]), np.array([*np.full(9, 1.0), 0.0])
    found = statistics.ratio(values, bounds, one_stratum(10))
    assert found.mean == pytest.approx(0.65)
    assert np.isfinite(found.interval).all()


def test_strata_do_not_add_their_differences_to_the_interval():
    """With campaigns of levels 0 and 100 in equal shares by design, only the spread within each is uncertainty."""
    dice = np.random.default_rng(4)
    campaigns = np.arange(200) % 2
    values = 100.0 * campaigns + dice.normal(0.0, 1.0, 200)
    found = statistics.mean(values, statistics.strata(campaigns)).interval
    within = np.sqrt(np.mean([values[campaigns == c].var(ddof=1) for c in (0, 1)]) / 200)
    assert width(found) == pytest.approx(2 * 1.97 * within, rel=0.01)
    assert width(statistics.mean(values, one_stratum(200)).interval) > 20 * width(found)


def test_the_spread_of_strata_of_several_sizes_is_the_textbooks():
    """Cochran 1977, (5.6): the sum over strata of (share of the cases)^2 x variance / cases. Symmetric, so not bent."""
    dice = np.random.default_rng(6)
    seats = np.repeat([0, 1, 2], [4, 6, 10])
    values = np.concatenate([scale * symmetric(dice, cases) for scale, cases in ((1, 4), (3, 6), (0.5, 10))])
    variance = np.array([values[seats == s].var(ddof=1) for s in range(3)])
    size = np.array([4, 6, 10])
    lent = 2 / (size + 1)
    moderated = (1 - lent) * variance + lent * np.average(variance, weights=lent * size)
    degrees = np.sum(size * moderated) ** 2 / np.sum((size * moderated) ** 2 / (size - 1))
    found = statistics.mean(values, statistics.strata(seats)).interval
    error = np.sqrt(np.sum(size / 400 * variance))
    assert width(found) == pytest.approx(2 * student.ppf(0.975, degrees) * error)


@pytest.mark.parametrize("cases", [16, 32, 80])
def test_degrees_of_freedom_of_like_strata_add_up(cases):
    """Eight strata of the same spread: Satterthwaite's number is cases - 8."""
    seats = np.arange(cases) % 8
    values = np.where(np.arange(cases) < cases / 2, -1.0, 1.0)
    found = statistics.mean(values, statistics.strata(seats)).interval
    each = values[seats == 0].var(ddof=1)
    assert width(found) == pytest.approx(2 * student.ppf(0.975, cases - 8) * np.sqrt(each / cases))


@pytest.mark.parametrize(
    ("names", "sizes"),
    [([0, 1, 2, 3], [4]), ([0, 0, 0, 1], [4]), ([0, 0, 1, 2], [2, 2]), ([7, 7, 7], [3]), ([0, 0, 1, 1, 1, 2], [3, 3])],
)
def test_strata_of_one_case_are_joined(names, sizes):
    found = statistics.strata(names)
    assert found.size.tolist() == sizes
    assert found.member.sum(axis=1).tolist() == sizes
    assert found.member.sum(axis=0).tolist() == [1.0] * len(names)  # each case in one group


@pytest.mark.parametrize("cases", [1, 3, 4, 7, 20, 50])
def test_the_interquartile_mean_is_that_of_rliable(cases):
    """rliable's aggregate_iqm is scipy.stats.trim_mean(scores, proportiontocut=0.25) over all scores."""
    values = np.random.default_rng(cases).lognormal(0.0, 1.0, cases)
    assert statistics.iqm(values, one_stratum(cases)).mean == pytest.approx(trim_mean(values, 0.25))


@pytest.mark.parametrize("cases", [8, 20, 50])
def test_the_interval_of_an_interquartile_mean_is_that_of_yuen(cases):
    """Symmetric values in one stratum: sqrt(winsorised squares / (h (h - 1))) and h - 1 degrees of freedom."""
    values = symmetric(np.random.default_rng(8), cases)
    cut = int(cases / 4)
    kept, ordered = cases - 2 * cut, np.sort(values)
    squares = (np.clip(values, ordered[cut], ordered[-cut - 1]) ** 2).sum()
    found = statistics.iqm(values, one_stratum(cases)).interval
    wanted = student.ppf(0.975, kept - 1) * np.sqrt(squares / (kept * (kept - 1)))
    assert found.high == pytest.approx(min(wanted, values.max()), rel=1e-6)


def test_a_wild_day_moves_the_mean_but_not_the_interquartile_mean():
    values = np.ones(20)
    values[3] = 1000.0
    assert statistics.iqm(values, one_stratum(20)).interval == pytest.approx((1.0, 1.0))
    assert statistics.mean(values, one_stratum(20)).mean > 50


def test_an_interval_of_few_days_goes_no_further_than_they_do():
    """Eight skewed differences, one a campaign: bent as far as their skewness asks, it would begin at -.555."""
    values = np.array([0.205, 0.225, 0.251, -0.185, 0.240, 0.173, -0.290, 0.232])
    low, high = statistics.mean(values, statistics.strata(range(8))).interval
    assert low == values.min()
    assert values.mean() < high < values.max()
    low, _ = statistics.mean(values, statistics.strata(range(8)), 0.999).interval  # that is rarer than eight days can tell
    assert low < -1
