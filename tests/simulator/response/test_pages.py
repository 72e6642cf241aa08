"""People who look at pages: how long they stay by patience and boredom, what requests are worth, what organic items are."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.simulator import MarketError, Scenario, ScenarioError, World
from adarena.simulator.market.market import build
from adarena.simulator.requests.worth import greatest_worth
from adarena.simulator.response.pages import PageSum, relevance
from adarena.simulator.scenario import Pages, Patience, Sessions
from adarena.simulator.scenario.forecast import forecast
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, Patterns
from adarena.simulator.seats.allocation.view import facts

SMALL = Scenario.preset("allocation-small").override(
    {"days": 2, "users.count": 3000, "traffic.requests_per_day": 40_000, "demand.campaigns": 6, "ticks_per_day": 24}
)


class Always(AllocationPolicy):
    def __init__(self, pattern: int) -> None:
        self.pattern = pattern

    def decide(self, view: object) -> Patterns:
        return Patterns(self.pattern)


def played(scenario: Scenario, pattern: int | None = None, seed: int = 0) -> World:
    world = World(scenario, {} if pattern is None else {"allocation": Always(pattern)}, seed=seed)
    world.run()
    return world


@pytest.mark.parametrize(("power", "sigma"), [(1.0, 0.0), (2.0, 0.0), (2.0, 2.0), (1.5, 1.0)])
def test_sessions_last_as_long_as_patience_says(power: float, sigma: float) -> None:
    """One ad on each page, seen for sure and hardly ever clicked; satisfaction keeps nobody away."""
    scenario = SMALL.override(
        {
            "auction.exposure": [1.0] * 5, "sessions.visit_slope": 0.0, "sessions.leave_rate": 0.05, "rates.click_rate": 5e-5,
            "auction.reserve": 1e-6,
            "sessions.patience.power": power, "sessions.patience.sigma": sigma, "pages.end_share": 0.0,
        }
    )  # fmt: skip
    world, sessions = played(scenario, 1), scenario.sessions
    assert sessions is not None
    assert world.visits is not None
    planned, made = world.visits.pages
    # Given that a request is planned, as the visits that sessions begin with are, it is made as often as patience lets it.
    wanted = np.array(sessions.survival(1.0, 12)) / (1 - 1 / sessions.mean_requests) ** np.arange(12)
    share, error = made[:12] / planned[:12], np.sqrt(wanted * (1 - wanted) / planned[:12] + 1e-6)
    assert (np.abs(share - sessions.visit_share * wanted) < 5 * error).all()


def test_survival_is_that_of_today_where_users_are_alike() -> None:
    plain, alike = Sessions(leave_rate=0.05), Sessions(leave_rate=0.05, patience=Patience())
    np.testing.assert_allclose(plain.survival(1.7, 40), alike.survival(1.7, 40), rtol=1e-12)
    scenario = SMALL.override({"sessions.patience": None})
    same = SMALL.override({"sessions.patience": {"power": 1.0, "sigma": 0.0}})
    np.testing.assert_allclose(forecast(scenario), forecast(same), rtol=1e-12)
    one, other = played(scenario, seed=2), played(same, seed=2)
    assert one.pages is not None
    assert other.pages is not None
    np.testing.assert_array_equal(one.pages.users, other.pages.users)


def test_survival_averages_over_users() -> None:
    """Against an average over a million of them."""
    sessions = Sessions(mean_requests=8.0, leave_rate=0.03, patience=Patience(power=2.0, sigma=1.5))
    own = 0.03 * np.exp(1.5 * np.random.default_rng(0).standard_normal(400_000) - 1.125)
    boredom, alive = 0.0, np.ones(own.size)
    for said in sessions.survival(1.2, 10):
        assert said == pytest.approx(alive.mean(), rel=5e-3)
        boredom = 0.7 * boredom + 1.2
        alive *= (1 - 1 / 8) * np.exp(-own * boredom**2)


def test_a_hint_tells_as_much_as_it_says() -> None:
    for hint in (0.0, 0.3, -0.8):
        temper = build(SMALL.override({"users.count": 20_000, "sessions.patience.hint": hint})).temper
        assert temper is not None
        assert np.corrcoef(np.log(temper.rate), temper.hint)[0, 1] == pytest.approx(hint, abs=0.03)
        assert np.log(temper.rate).std() == pytest.approx(2.0, abs=0.05)
        assert np.log(temper.rate).mean() == pytest.approx(-2.0, abs=0.06)


def test_requests_are_worth_what_their_mood_says() -> None:
    """Bids rise and fall with it, and so do conversions; on average nothing changes."""
    moody, plain = (SMALL.override({"weather.request_sigma": sigma, "demand.billing": "cpm"}) for sigma in (0.6, None))
    lifts = []
    world = World(moody, seed=1)
    blocks = world._exchange.blocks
    blocks.on_block.append(lambda: lifts.append(world._exchange.state.block.lift.copy()))
    world.run()
    factor = np.concatenate(lifts[1:]) * greatest_worth(moody)
    assert factor.mean() == pytest.approx(1.0, abs=4 * factor.std() / np.sqrt(factor.size))
    assert np.log(factor).std() == pytest.approx(0.6, abs=0.02)
    other = played(plain, seed=1)
    totals = [w.ledger.spend().sum() / w.ledger.impressions().sum() for w in (world, other)]
    assert totals[0] == pytest.approx(totals[1], rel=0.03)
    values = [w.ledger.value().sum() / w.ledger.impressions().sum() for w in (world, other)]
    assert values[0] == pytest.approx(values[1], rel=0.03)


def test_a_page_without_ads_is_worth_one() -> None:
    worth, seen = relevance(SMALL), 0.9 ** np.arange(1, 6)
    assert worth @ seen == pytest.approx(1.0)
    np.testing.assert_allclose(worth[1:] / worth[:-1], 0.85)
    told = facts(SMALL)
    assert told.organic[0] == pytest.approx(1.0)
    # Places 0 and 2 carry ads: organic items one, two and three stand in places 1, 3 and 4, below ads that may end the page.
    number = SMALL.pages.patterns(5).index((0, 2))  # type: ignore[union-attr]
    reach = [0.81 * 0.9, 0.6561 * 0.81, 0.59049 * 0.81]
    assert told.organic[number] == pytest.approx(float(worth[:3] @ reach))
    assert told.clicks[number].tolist() == pytest.approx([0.9, 0.729 * 0.9 * 0.7, 0.0])
    world = played(SMALL, 0)
    assert world.pages is not None
    sums = world.pages.sums.sum(axis=0)
    assert sums[PageSum.CONTENT] / sums[PageSum.PAGES] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("pattern", [1, 8, 12])
def test_facts_are_what_happens_on_average(pattern: int) -> None:
    told, world = facts(SMALL), played(SMALL, pattern)
    assert world.pages is not None
    sums = world.pages.sums.sum(axis=0)
    assert sums[PageSum.ADS] / sums[PageSum.PAGES] == pytest.approx(told.seen[pattern], rel=0.02)
    assert sums[PageSum.CONTENT] / sums[PageSum.PAGES] == pytest.approx(told.organic[pattern], rel=0.03)
    expected = told.clicks[pattern] @ told.prices.mean(axis=0)
    assert sums[PageSum.REVENUE] / sums[PageSum.PAGES] == pytest.approx(expected, rel=0.1)


def test_patterns_are_all_that_are_allowed() -> None:
    assert len(Pages(most_ads=3, apart=1).patterns(5)) == 13
    assert len(Pages().patterns(5)) == 32
    assert Pages(most_ads=2, apart=2).patterns(4) == ((), (0,), (1,), (2,), (3,), (0, 3))
    assert Pages(most_ads=2, apart=1).usual(5) == Pages(most_ads=2, apart=1).patterns(5).index((0, 2))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sessions": None}, "pages need the part sessions"),
        ({"auction.slots": 9, "auction.exposure": [0.5] * 9, "pages": {}}, "have 512 patterns, more than 256"),
        ({"pages.carries": [0, 1]}, "pages.carries must be places below 5, at most 3, at least 1 items apart"),
        ({"pages.carries": [3, 1]}, "carries must name places in rising order"),
        ({"rates": {"kind": "normal"}}, "weather.request_sigma needs rates of kind interests"),
        ({"surfaces": [{"name": "feed", "share": 1.0, "exposure": [0.9]}]}, "so that there are no surfaces beside them"),
        ({"sessions.patience.power": 0.5}, "sessions.patience.power"),
    ],
)
def test_mistakes_cost_a_sentence(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        SMALL.override(settings)


def test_a_record_for_hindsight_is_refused() -> None:
    with pytest.raises(MarketError, match="there is no record"):
        World(SMALL, record=0)
