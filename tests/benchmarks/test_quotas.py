"""Larger quotas of recall: more recall, more revenue, each step less than the one before; and mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.benchmarks import quotas
from adarena.simulator import Scenario
from adarena.simulator.errors import AdArenaError


def small(**changes: object) -> Scenario:
    """`feed` with 1,600 ads of 400 campaigns and 30,000 users."""
    sizes = {"demand.campaigns": 400, "demand.ads_per_campaign": 4, "users.count": 30_000, "ticks_per_day": 24}
    return Scenario.preset("feed").override({**sizes, **changes})


def test_a_larger_quota_brings_more_recall_and_revenue_and_less_each_time() -> None:
    found = quotas.sweep(small(), (25, 50, 100, 200, 400, 800), requests=24_000)
    assert found.spend.shape == (6, 24)
    assert (np.diff(found.recall) > 0.02).all()
    assert found.recall[-1] > 0.95
    more = np.diff(found.quota)
    gain, error = np.diff(found.revenue) / more, found.step_error / more  # of a further candidate
    assert (gain > 6 * error).all()
    assert (-np.diff(gain) > 6 * np.hypot(error[1:], error[:-1])).all()
    assert found.revenue[-1] > 1.2 * found.revenue[0]


def test_recall_is_of_the_same_number_of_ads_at_each_quota() -> None:
    assert quotas.sweep(small(), (10, 100), requests=100, traced=5).passed == 10
    assert quotas.sweep(small(), (100, 200), requests=100, traced=5).passed == 40  # as the market's fine sort passes


def test_the_same_day_is_played_at_each_quota() -> None:
    """A quota of all ads is the day without a limit on recall, whatever larger number is written."""
    found = quotas.sweep(small(), (1_600, 3_200), requests=1_000, traced=20)
    np.testing.assert_array_equal(found.spend[0], found.spend[1])
    np.testing.assert_array_equal(found.step_error, 0)
    assert (found.recall > 0.98).all()  # what two channels find is not made up for


def test_budgets_steps_down_and_tiers_are_left_out() -> None:
    own = {"tier": 3, "levels": [{"recall": 0, "rough": 0, "fine": 0}]}
    plain, tiered = small(), small(**{"users.tiers": [3] * 12, "funnel.tiers": [own]})
    one, two = (quotas.sweep(market, (50, 100), requests=1_000, traced=20) for market in (plain, tiered))
    np.testing.assert_array_equal(one.spend, two.spend)


@pytest.mark.parametrize(
    ("scenario", "ladder", "words"),
    [
        ("tiny", (25, 50), "scenario 'tiny' has no funnel whose quotas could grow"),
        ("feed", (50, 50), "quotas must rise, two of them at least, not 50 50"),
        ("feed", (50,), "quotas must rise, two of them at least, not 50"),
        ("feed", (-5, 50), "quotas must be at least 1, not -5"),
    ],
)
def test_mistakes_are_one_sentence(scenario: str, ladder: tuple[int, ...], words: str) -> None:
    with pytest.raises(AdArenaError, match=words):
        quotas.sweep(Scenario.preset(scenario), ladder)
