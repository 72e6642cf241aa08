"""Traffic: arrivals follow the intensity, users their activity, segments the hour, and a surge moves only what lies ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from adarena.simulator import Scenario, ScenarioError, World
from adarena.simulator.core.chance import alias_table
from adarena.simulator.population.users import cap_of, new_users, request_shares
from adarena.simulator.requests.traffic import NEVER, Intensity
from adarena.simulator.scenario.people import Traffic, day_shares

BASE = Scenario.preset("tiny").override(
    {"demand.campaigns": 2, "demand.ads_per_campaign": 1, "demand.budget_share": None, "traffic.surge_probability": 0.0}
)


def requests(
    scenario: Scenario, seed: int, surges: dict[int, float] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arrival times and users of a whole run, with surges at some times."""
    world = World(scenario, seed=seed)
    times, who = [], []

    def note() -> None:
        state, control = world._exchange.state, world._exchange.state.control
        played = int(control[0] - control[1])
        times.append(state.block.times[:played].copy())
        who.append(state.block.users[:played].copy())

    world._exchange.blocks.on_block.append(note)
    for time, factor in sorted((surges or {}).items()):
        world.run(time)
        world.surge(factor)
    world.run()
    note()
    return np.concatenate(times), np.concatenate(who)


def intensity(scenario: Scenario, seed: int) -> NDArray[np.float64]:
    """Expected requests of each tick of the horizon."""
    rates = Intensity.of(scenario, seed)
    return np.diff(rates.total)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60).filter(lambda c: sum(c) > 0.1), st.integers(1, 100))
def test_shares_of_a_day_sum_to_one_and_follow_the_curve(curve: list[float], ticks: int) -> None:
    shares = day_shares(tuple(curve), ticks)
    assert shares.shape == (ticks,)
    assert shares.min() >= -1e-15
    assert math.isclose(shares.sum(), 1.0, rel_tol=1e-12)
    # Independently: the curve repeated so often that every tick is a whole number of its pieces.
    fine = np.repeat(np.array(curve) / (sum(curve) * ticks), ticks)
    np.testing.assert_allclose(shares, fine.reshape(ticks, len(curve)).sum(axis=1), atol=1e-12)


def test_counts_are_poisson_around_the_integral_of_the_intensity() -> None:
    """FACTS check 7: over 300 days the counts have the integral as mean and variance, in the day and in its ticks."""
    scenario = BASE.override({"traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "traffic.requests_per_day": 400})
    days = 300
    counts = np.zeros((days, 24))
    for seed in range(days):
        times, _ = requests(scenario, seed)
        counts[seed] = np.bincount(times // scenario.tick_us, minlength=24)
    expected = intensity(scenario, 0)
    assert math.isclose(expected.sum(), 400.0, rel_tol=1e-12)
    z = (counts.sum(axis=0) - days * expected) / np.sqrt(days * expected)
    assert np.abs(z).max() < 4
    assert stats.chi2.sf((z**2).sum(), 24) > 1e-3
    total = counts.sum(axis=1)
    dispersion = total.var(ddof=1) / total.mean()
    assert abs(dispersion - 1) < 4.5 * math.sqrt(2 / days)
    # Ticks are independent: no correlation between neighbours.
    normal = (counts - expected) / np.sqrt(expected)
    assert abs((normal[:, 1:] * normal[:, :-1]).mean()) < 4.5 / math.sqrt(days * 23)


def test_gaps_are_exponential_in_operational_time() -> None:
    """FACTS check 7: increments of the cumulative intensity between arrivals are Exp(1), under weather and surges too."""
    scenario = BASE.override({"traffic.requests_per_day": 20_000, "traffic.surge_probability": 1.0, "traffic.day_sigma": 0.0})
    times, _ = requests(scenario, 3)
    rates = Intensity.of(scenario, 3)
    reached = np.interp(times + 0.5, rates.time, rates.total)
    gaps = np.diff(reached, prepend=0.0)
    assert len(gaps) > 10_000
    assert stats.kstest(gaps, "expon").pvalue > 1e-3
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / math.sqrt(len(gaps))


@pytest.mark.parametrize("wanted", [1, 7, 1023, 1024, 1025, 5000])
def test_even_arrivals_are_exactly_as_many_and_evenly_spaced(wanted: int) -> None:
    scenario = BASE.override(
        {"traffic.requests_per_day": wanted, "traffic.arrivals": "even", "traffic.curve": [1.0], "traffic.day_sigma": 0.0,
         "traffic.tick_sigma": 0.0, "days": 2}
    )  # fmt: skip
    times, _ = requests(scenario, 0)
    assert len(times) == 2 * wanted
    expected = (np.arange(2 * wanted) + 0.5) * scenario.day_us / wanted
    assert np.abs(times - expected).max() <= 1.0


def test_no_requests_where_the_curve_is_zero() -> None:
    scenario = BASE.override({"traffic.curve": [0.0, 1.0, 0.0, 3.0], "traffic.requests_per_day": 3000, "days": 2})
    times, _ = requests(scenario, 1)
    quarter = times % scenario.day_us * 4 // scenario.day_us
    counts = np.bincount(quarter, minlength=4)
    assert counts[0] == counts[2] == 0
    assert counts[3] > 2 * counts[1] > 0


def test_alias_tables_keep_the_weights_exactly() -> None:
    """What the table implies, summed over places, is the distribution it was made from."""
    dice = np.random.default_rng(1)
    for size in (1, 2, 3, 50, 1000):
        weights = dice.pareto(1.2, size) + 0.2
        share, other = alias_table(weights.copy())
        implied = share.copy()
        np.add.at(implied, other, 1 - share)
        np.testing.assert_allclose(implied / size, weights / weights.sum(), atol=1e-12)
        assert ((share >= 0) & (share <= 1)).all()


def test_users_come_as_often_as_they_are_active() -> None:
    """Frequencies of users inside their segments match the activity the alias table stands for."""
    scenario = BASE.override({"traffic.requests_per_day": 60_000, "traffic.day_sigma": 0.0, "users.count": 30})
    _, who = requests(scenario, 2)
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    counts = np.bincount(who, minlength=30)
    size = np.diff(people.segment_start)
    implied = people.alias_share.copy()
    np.add.at(implied, people.alias_user, 1 - people.alias_share)
    for segment in range(3):
        inside = slice(people.segment_start[segment], people.segment_start[segment + 1])
        expected = implied[inside] / size[segment] * counts[inside].sum()
        assert stats.chisquare(counts[inside], expected).pvalue > 1e-4
    # Heavy-tailed: the most active tenth of users brings more than its share.
    assert np.sort(counts)[-3:].sum() > 0.15 * counts.sum()


def test_nobody_makes_more_than_the_largest_share() -> None:
    """Who would make more comes down to it, and makes just as much; the others keep their proportions."""
    users = (
        Scenario.preset("ranking-small").override({"users.hour_amplitude": 0.0}).users
    )  # 500: one makes 4.6% of the requests
    free, capped = (
        request_shares(new_users(users.model_copy(update={"largest_share": share}), 1, 24)) for share in (None, 0.01)
    )
    assert free.max() > 0.045
    assert capped.max() == pytest.approx(0.01)
    cut = capped > 0.01 * (1 - 1e-9)
    assert 1 < cut.sum() < 20
    np.testing.assert_allclose(capped[cut], 0.01)
    assert free[cut].min() > free[~cut].max()
    ratio = capped[~cut] / free[~cut]
    np.testing.assert_allclose(ratio, ratio[0])
    untouched = request_shares(new_users(users.model_copy(update={"largest_share": 0.05}), 1, 24))
    np.testing.assert_array_equal(untouched, free)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1, 0.3])
def test_a_cap_on_shares_is_the_one_that_cuts_least(share: float) -> None:
    """Against bisection: what is cut down to the cap is a share of the sum, or nothing need be cut."""
    activity = np.random.default_rng(3).pareto(1.0, 100) + 0.2
    low, high = activity.min(), activity.max()
    for _ in range(200):
        middle = (low + high) / 2
        cut = np.minimum(activity, middle)
        low, high = (middle, high) if cut.max() <= share * cut.sum() else (low, middle)
    assert cap_of(activity, share) == pytest.approx(low, rel=1e-9)


def test_a_largest_share_must_leave_room_for_all() -> None:
    with pytest.raises(ScenarioError, match=r"largest_share must be 1 / users.count at least, 0.002, not 0.001"):
        Scenario.preset("ranking-small").override({"users.largest_share": 0.001})
    even = Scenario.preset("ranking-small").override({"users.largest_share": 0.002, "users.hour_amplitude": 0.0}).users
    np.testing.assert_allclose(request_shares(new_users(even, 1, 24)), 0.002)


def test_segments_come_at_their_hours() -> None:
    scenario = BASE.override(
        {"traffic.requests_per_day": 60_000, "traffic.day_sigma": 0.0, "traffic.curve": [1.0], "users.hour_amplitude": 0.9}
    )
    times, who = requests(scenario, 4)
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    mix = np.zeros((24, 3))
    np.add.at(mix, (times // scenario.tick_us % 24, people.segment[who]), 1)
    share = np.diff(people.segment_share, axis=1, prepend=0.0)
    chi = ((mix - share * mix.sum(axis=1, keepdims=True)) ** 2 / (share * mix.sum(axis=1, keepdims=True))).sum()
    assert stats.chi2.sf(chi, 24 * 2) > 1e-3
    assert (share.max(axis=0) / share.min(axis=0) > 1.5).any()  # the hours do matter


def test_weather_has_mean_one() -> None:
    """Averaged over many days the intensity is the curve: levels and walks are centred as log-normals must be."""
    scenario = BASE.override({"traffic.day_sigma": 0.4, "traffic.tick_sigma": 0.2, "traffic.requests_per_day": 1000})
    totals = np.array([intensity(scenario, seed) for seed in range(1500)])
    relative = totals / (1000 * day_shares(scenario.traffic.curve, 24))
    error = relative.std(axis=0) / math.sqrt(len(relative))
    assert np.abs((relative.mean(axis=0) - 1) / error).max() < 4.5


def test_a_surge_moves_only_what_has_not_arrived() -> None:
    """Times before it are unchanged; after it the same unit-rate sums are reached faster; users stay whose they were."""
    scenario = BASE.override({"traffic.requests_per_day": 6000, "traffic.day_sigma": 0.0})
    at = int(scenario.day_us * 0.4) + 17
    calm, calm_users = requests(scenario, 6)
    surged, surged_users = requests(scenario, 6, {at: 3.0})
    before = int((calm < at).sum())
    np.testing.assert_array_equal(calm[:before], surged[:before])
    assert (surged[before:] >= at).all()
    rates = Intensity.of(scenario, 6)
    reached = np.interp(at, rates.time, rates.total)
    # A request that would have come when the total stood at E comes where reached + (E - reached) / 3.
    both = slice(before, len(calm))
    epochs = np.interp(calm[both].astype(float), rates.time, rates.total)
    expected = np.interp(reached + (epochs - reached) / 3, rates.total, rates.time)
    assert np.abs(surged[both] - expected).max() < 5.0
    after = len(surged) - before
    mean = 3 * (rates.total[-1] - reached)
    assert abs(after - mean) < 4.5 * math.sqrt(mean)
    settled = before // 1024 * 1024 + 1024  # users are drawn with the block
    np.testing.assert_array_equal(calm_users[:settled], surged_users[:settled])


def test_a_surge_and_its_inverse_leave_the_rest_as_many() -> None:
    scenario = BASE.override(
        {"traffic.requests_per_day": 6000, "traffic.day_sigma": 0.0, "traffic.curve": [1.0], "traffic.tick_sigma": 0.0}
    )
    third = scenario.day_us // 3
    times, _ = requests(scenario, 8, {third: 4.0, 2 * third: 0.25})
    counts = np.bincount(times // third, minlength=3)[:3]
    for count, mean in zip(counts, (2000, 8000, 2000), strict=True):
        assert abs(count - mean) < 4.5 * math.sqrt(mean)


def test_no_traffic_after_a_surge_to_nothing() -> None:
    scenario = BASE.override({"traffic.requests_per_day": 3000})
    at = scenario.day_us // 2
    calm, _ = requests(scenario, 8)
    times, _ = requests(scenario, 8, {at: 0.0})
    np.testing.assert_array_equal(times, calm[calm < at])


def test_scaled_intensities_compose() -> None:
    rates = Intensity.of(BASE, 1)
    twice = rates.scaled(1000, 2.0).scaled(BASE.tick_us * 3, 0.5)
    assert (np.diff(twice.time) >= 0).all()
    assert (np.diff(twice.total) >= 0).all()
    direct = np.interp(BASE.tick_us * 3, rates.time, rates.total) - np.interp(1000, rates.time, rates.total)
    np.testing.assert_allclose(twice.total[-1], rates.total[-1] + direct, rtol=1e-12)
    assert BASE.horizon_us < NEVER
    assert Traffic().requests_per_day == 50_000
