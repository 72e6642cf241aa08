"""Estimates against known values; bootstrap intervals against normal theory."""

import numpy as np
import pytest
from scipy.stats import trim_mean

from adarena.benchmarks import statistics


def one_stratum(cases):
    return statistics.resamples([0] * cases)


def test_interval_of_a_mean_is_that_of_normal_theory():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = statistics.mean(values, one_stratum(400))
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(half, rel=0.06)
    assert found.mean - found.low == pytest.approx(half, rel=0.06)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    dice, drawn = np.random.default_rng(2), one_stratum(50)
    covered = [f.low <= 1.0 <= f.high for f in (statistics.mean(dice.exponential(1.0, 50), drawn) for _ in range(200))]
    # 95% nominal; percentile intervals of 50 skewed values cover about 93%. Three standard errors of 200 trials are 5%.
    assert 0.88 <= np.mean(covered) <= 0.98


def test_pairing_removes_what_two_policies_share():
    dice, drawn = np.random.default_rng(3), one_stratum(40)
    days = dice.normal(0.0, 10.0, 40)
    gain = dice.normal(1.0, 0.5, 40)
    paired = statistics.mean((days + gain) - days, drawn)
    assert 0.0 < paired.low < 1.0 < paired.high < 1.5


def test_a_ratio_weighs_cases_by_their_size():
    found = statistics.ratio(np.array([1.0, 30.0]), np.array([2.0, 40.0]), one_stratum(2))
    assert found.mean == pytest.approx(31 / 42)
    assert (found.low, found.high) == pytest.approx((0.5, 0.75))


def test_strata_do_not_add_their_differences_to_the_interval():
    """With campaigns of levels 0 and 100 in equal shares by design, only the spread within each is uncertainty."""
    dice = np.random.default_rng(4)
    campaigns = np.arange(200) % 2
    values = 100.0 * campaigns + dice.normal(0.0, 1.0, 200)
    found = statistics.mean(values, statistics.resamples(campaigns))
    within = np.sqrt(np.mean([values[campaigns == c].var(ddof=1) for c in (0, 1)]) / 200)
    assert found.high - found.low == pytest.approx(2 * 1.96 * within, rel=0.06)
    blind = statistics.mean(values, one_stratum(200))
    assert blind.high - blind.low > 20 * (found.high - found.low)


def test_the_spread_of_small_strata_is_not_shrunk():
    """Ten strata of two: drawing two of two would give half of this variance."""
    values = np.random.default_rng(5).normal(0.0, 1.0, 20)
    strata = np.repeat(np.arange(10), 2)
    spread = (statistics.resamples(strata) @ values / 20).var()
    expected = sum(values[strata == s].var(ddof=1) / 2 for s in range(10)) / 100
    assert spread == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("strata", [[0, 1, 2, 3], [0, 0, 0, 1], [0, 0, 1, 2], [7, 7, 7, 7], [0, 0, 1, 1]])
def test_every_resample_weighs_as_much_as_the_cases_and_none_is_certain(strata):
    weights = statistics.resamples(strata)
    assert weights.sum(axis=1) == pytest.approx(np.full(statistics.RESAMPLES, 4.0))
    assert weights.mean(axis=0) == pytest.approx(np.ones(4), abs=0.05)
    assert (weights.std(axis=0) > 0.5).all()


@pytest.mark.parametrize("cases", [1, 3, 4, 7, 20, 50])
def test_the_interquartile_mean_is_that_of_rliable(cases):
    """rliable's aggregate_iqm is scipy.stats.trim_mean(scores, proportiontocut=0.25) over all scores."""
    values = np.random.default_rng(cases).lognormal(0.0, 1.0, cases)
    assert statistics.iqm(values, one_stratum(cases)).mean == pytest.approx(trim_mean(values, 0.25))


def test_the_interquartile_mean_of_a_resample_is_that_of_the_cases_repeated():
    values = np.random.default_rng(8).normal(size=8)
    counts = np.array([[2.0, 0, 1, 3, 0, 0, 1, 1]])
    repeated = np.repeat(values, counts[0].astype(int))
    found = statistics.iqm(values, counts)
    assert found.low == found.high == pytest.approx(trim_mean(repeated, 0.25))


def test_a_wild_day_moves_the_mean_but_not_the_interquartile_mean():
    values = np.ones(20)
    values[3] = 1000.0
    assert statistics.iqm(values, one_stratum(20)).mean == 1.0
    assert statistics.mean(values, one_stratum(20)).mean > 50
