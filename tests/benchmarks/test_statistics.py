"""Bootstrap intervals against normal theory."""

import numpy as np
import pytest

from adarena.benchmarks import statistics


def test_interval_of_a_mean_is_that_of_normal_theory():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = statistics.mean(values, statistics.resamples(400))
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(half, rel=0.06)
    assert found.mean - found.low == pytest.approx(half, rel=0.06)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    dice, drawn = np.random.default_rng(2), statistics.resamples(50)
    covered = [f.low <= 1.0 <= f.high for f in (statistics.mean(dice.exponential(1.0, 50), drawn) for _ in range(200))]
    # 95% nominal; percentile intervals of 50 skewed values cover about 93%. Three standard errors of 200 trials are 5%.
    assert 0.88 <= np.mean(covered) <= 0.98


def test_pairing_removes_what_two_policies_share():
    dice, drawn = np.random.default_rng(3), statistics.resamples(40)
    days = dice.normal(0.0, 10.0, 40)
    gain = dice.normal(1.0, 0.5, 40)
    paired = statistics.mean((days + gain) - days, drawn)
    assert 0.0 < paired.low < 1.0 < paired.high < 1.5


def test_a_ratio_weighs_cases_by_their_size():
    drawn = statistics.resamples(2)
    found = statistics.ratio(np.array([1.0, 30.0]), np.array([2.0, 40.0]), drawn)
    assert found.mean == pytest.approx(31 / 42)
    assert (found.low, found.high) == pytest.approx((0.5, 0.75))
