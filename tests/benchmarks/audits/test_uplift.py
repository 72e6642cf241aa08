"""What an ad adds: the judge's uplift against counts of potential outcomes, the same world with the ad and without it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from adarena.benchmarks.audits.uplift import organic, uplift
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.engine.state import JOURNAL_FLOATS, JOURNAL_INTS, Control

ROWS = 200_000


def market(**changes: Any) -> Scenario:
    """Three days of `tiny` in which users often convert anyway; names with two underscores for a dot."""
    plain: dict[str, Any] = {
        "days": 3, "traffic.requests_per_day": 20_000, "demand.budget_share": None, "rates.click_rate": 0.2,
        "users.count": 4_000, "response.organic": {"rate": 0.2, "slope": 1.5},
    }  # fmt: skip
    return Scenario.preset("tiny").override(plain | {name.replace("__", "."): value for name, value in changes.items()})


def shown(scenario: Scenario, seed: int, paused: int | None = None) -> tuple[World, np.ndarray]:
    """A finished world and its impressions, a row of `engine.state.JOURNAL_INTS` each."""
    world = World(scenario, seed=seed)
    world._exchange.replace(
        "logs", journal_ints=np.zeros((ROWS, len(JOURNAL_INTS)), np.int64), journal_floats=np.zeros((ROWS, len(JOURNAL_FLOATS)))
    )

    def stays_away() -> Generator[Any, Any, None]:
        while paused is not None:  # a pause lasts until the flights of another day
            world.pause(paused)
            yield world.env.timeout(scenario.day_us)

    world.process(stays_away())
    world.run()
    return world, world._exchange.state.logs.journal_ints[: int(world._exchange.state.control[Control.JOURNALED])]


def column(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, JOURNAL_INTS.index(name)]


def test_uplift_is_what_the_same_world_lacks_without_the_ad() -> None:
    """Who converts for campaign 0 on which day, in a world that shows its ads and in one that does not."""
    scenario, seed = market(), 3
    users, days = scenario.users.count, scenario.days
    anyway = organic(scenario, seed, np.tile(np.arange(users), days), np.repeat(np.arange(days), users), 0)
    converts = {}
    for paused in (None, 0):
        world, rows = shown(scenario, seed, paused)
        rows = rows[column(rows, "campaign") == 0]
        assert (len(rows) == 0) == (paused == 0)
        bought = rows[column(rows, "converted") > 0]
        outcome = anyway.copy()
        outcome[column(bought, "time_us") // scenario.day_us * users + column(bought, "user")] = True
        converts[paused] = outcome
        if paused is None:
            running, impressions, sales = world, rows, bought
    added = converts[None].sum() - converts[0].sum()
    assert running.ledger.increments is not None
    incremental = running.ledger.increments.incremental[:, 0].sum()
    at = column(sales, "time_us") // scenario.day_us * users + column(sales, "user")
    assert incremental == (~anyway[at]).sum()
    assert added == len(np.unique(at[~anyway[at]]))  # a user may convert twice a day after clicks
    assert 200 < added <= incremental < 0.8 * len(sales)  # what the ad takes credit for
    tick = column(impressions, "time_us") // scenario.tick_us % scenario.ticks_per_day
    expected = uplift(scenario, column(impressions, "user"), column(impressions, "ad"), tick)
    assert abs(incremental - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())
    value = running.ledger.increments.value[:, 0].sum()
    factor = running._exchange.market.campaigns.value[0]
    if not running.campaigns.follows_demand[0]:
        assert value == pytest.approx(factor * expected.sum())
    assert value < running.ledger.value()[:, 0].sum()


def test_uplift_of_each_user_is_the_mean_of_potential_outcomes() -> None:
    """Over many seeds: a user's organic outcome, and a click and conversion drawn beside it."""
    scenario, worlds = market(users__count=3, users__segments=3), 1_500
    user = np.arange(3)
    days = organic(scenario, 0, 0, 0, 0)
    assert days.shape == (1,)
    without = np.array([organic(scenario, seed, user, 1, 2) for seed in range(worlds)])
    rate = without.mean(axis=0)
    full = uplift(scenario, user, 4, 5)  # ad 4 is the first of campaign 2
    click = uplift(scenario.override({"response.organic": None}), user, 4, 5)
    np.testing.assert_allclose(full / click, 1 - rate, atol=4 * 0.5 / worlds**0.5)
    assert np.ptp(rate) > 0.05


def test_those_who_click_much_would_have_bought_anyway_if_the_slope_is_positive() -> None:
    shares = {}
    for slope in (-1.0, 0.0, 1.0):
        scenario = market(response__organic={"rate": 0.1, "slope": slope})
        world, _ = shown(scenario, 1)
        assert world.ledger.increments is not None
        shares[slope] = world.ledger.increments.incremental.sum() / world.ledger.conversions().sum()
        user = np.arange(scenario.users.count)
        anyway = organic(scenario, 1, user, 0, 0).mean()
        assert abs(anyway - 0.1) < (0.01 if slope == 0 else 0.08)
    assert shares[-1.0] > shares[0.0] > shares[1.0] + 0.03
    assert shares[0.0] == pytest.approx(0.9, abs=0.02)


def test_fatigue_takes_off_what_an_ad_adds() -> None:
    scenario = market()
    one = uplift(scenario, [0, 1], [0, 0])
    np.testing.assert_allclose(uplift(scenario, [0, 1], [0, 0], appetite=[0.5, 1.0]), one * [0.5, 1.0])


def test_wrong_questions_get_a_sentence() -> None:
    with pytest.raises(MarketError, match="of kind interests, not uniform"):
        uplift(Scenario.preset("uniform"), 0, 0)
    surfaces = [{"name": name, "share": 1, "exposure": [0.9], "conversion": 0.5} for name in ("feed", "page")]
    with pytest.raises(MarketError, match="'tiny' has surfaces or search"):
        uplift(market(surfaces=surfaces), 0, 0)
    with pytest.raises(MarketError, match="'tiny' has creatives"):
        uplift(market(creatives={}), 0, 0)
    with pytest.raises(MarketError, match="each user is a whole number from 0 to 3,999"):
        uplift(market(), 4_000, 0)
    with pytest.raises(MarketError, match="each ad is a whole number from 0 to 11"):
        uplift(market(), 0, 0.5)
    with pytest.raises(MarketError, match="nobody converts without an ad"):
        organic(Scenario.preset("tiny"), 0, 0, 0, 0)
