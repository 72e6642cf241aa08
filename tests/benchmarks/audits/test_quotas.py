"""Larger quotas of recall: more recall, more revenue, each step less than the one before; and mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.benchmarks.audits import quotas
from adarena.benchmarks.pictures import delivery
from adarena.simulator import Scenario
from adarena.simulator.core.errors import AdArenaError
from adarena.simulator.scenario.delivery import Funnel, Quotas
from adarena.simulator.scenario.presets import PRESETS


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


SMALL = {"users.count": 2_000, "ticks_per_day": 4}
WITH_FUNNEL = sorted(name for name in PRESETS if Scenario.preset(name).funnel is not None)


@pytest.mark.parametrize("name", WITH_FUNNEL)
@pytest.mark.parametrize("tiered", [False, True])
def test_every_preset_with_a_funnel_can_be_swept(name: str, tiered: bool) -> None:
    """Surfaces with deadlines of their own, tiers with quotas of their own: none of it outlasts the servers."""
    own = [
        {"tier": 1, "levels": [{"recall": 40, "rough": 20, "fine": 10}, {"recall": 0, "rough": 0, "after_wait_s": 0.1}]},
        {"tier": 2, "levels": [{"recall": 0, "rough": 0, "fine": 0}]},
    ]
    tiers = {"users.tiers": [0, 1, 2] * 4, "funnel.tiers": own} if tiered else {}
    scenario = Scenario.preset(name).override({**SMALL, "demand.campaigns": 60, "demand.ads_per_campaign": 2, **tiers})
    found = quotas.sweep(scenario, (5, 60), requests=300, traced=5)
    assert found.passed == 5
    assert (np.diff(found.recall) > 0).all()
    assert (found.spend.sum(axis=1) > 0).all()
    assert found.requests.sum() > 100
    if tiered:  # they were left out
        plain = quotas.sweep(scenario.override({"funnel.tiers": ()}), (5, 60), requests=300, traced=5)
        np.testing.assert_array_equal(found.spend, plain.spend)


def test_there_are_presets_with_a_funnel() -> None:
    assert set(WITH_FUNNEL) >= {"feed", "overload", "coldstart", "search"}


def test_scaled_quotas_are_quotas() -> None:
    """Of the largest quotas there may be the double is not allowed, of the smallest a sixteenth is no candidate."""
    for full in ({"recall": 100_000, "rough": 20_000, "fine": 2_000}, {"recall": 1, "rough": 1, "fine": 1}):
        funnel = Funnel(levels=(Quotas(**full),))
        assert funnel.scaled(1) == Quotas(**full)
        assert max(full.values()) == 1 or funnel.scaled(1 / 2) == Quotas(recall=50_000, rough=10_000, fine=1_000)
        for share in delivery.SHARES:
            assert Quotas(**funnel.scaled(share).model_dump()) == funnel.scaled(share)


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
