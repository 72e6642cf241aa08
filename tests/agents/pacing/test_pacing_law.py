"""The oracle that knows the law of the weather: its laws against the weather's draws, its forecasts against plain algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from funnel_markets import market
from markets import CALM

from adarena.agents.hindsight import pacing_law
from adarena.agents.hindsight.pacing_law import KnowsTheLaw, rest, traffic_law, value_laws, walk
from adarena.agents.pacing.joint_mpc import JointMPC
from adarena.simulator import Open, Scenario, World
from adarena.simulator.core.arrays import Floats
from adarena.simulator.core.money import MICRO
from adarena.simulator.market.market import build
from adarena.simulator.population.campaigns import demand_weather
from adarena.simulator.requests.traffic import traffic_weather
from adarena.simulator.seats.pacing.view import PacingView

SCENARIO = Scenario.preset("pacing-small").override({"ticks_per_day": 12, "weather.common_sigma": 0.4})
DAYS = 4_000
VERTICALS = 6


@pytest.fixture(scope="module")
def values() -> Floats:
    """Logarithms of the values of a campaign of each vertical, (days, verticals, ticks)."""
    table = build(SCENARIO).campaigns
    following = np.flatnonzero(table.follows_demand)
    one_each = following[np.unique(table.vertical[following], return_index=True)[1]]
    assert one_each.size == VERTICALS
    return np.log([demand_weather(SCENARIO, table, day, 0)[:, one_each].T for day in range(DAYS)])


def close(found: Floats, law: Floats, variance: Floats, days: int = DAYS) -> None:
    """Covariances of a sample lie within four and a half of their standard errors, at most (2 v v' / days)^.5."""
    error = np.sqrt(2 * np.outer(variance, variance) / days)
    assert (np.abs(found - law) < 4.5 * error).all()


def test_the_law_of_values_is_that_of_the_weather(values: Floats) -> None:
    of_mean, of_own = value_laws(SCENARIO, VERTICALS)
    middle = values.mean(axis=1)
    spread = np.diag(of_mean.covariance)
    assert (np.abs(middle.mean(axis=0) - of_mean.mean) < 4.5 * np.sqrt(spread / DAYS)).all()
    close(np.cov(middle.T), of_mean.covariance, spread)
    own = values[:, 2] - middle
    covariance = (1 - 1 / VERTICALS) * of_own.covariance
    assert (np.abs(own.mean(axis=0)) < 4.5 * np.sqrt(np.diag(covariance) / DAYS)).all()
    close(np.cov(own.T), covariance, np.diag(covariance))


def test_the_law_of_traffic_is_that_of_the_weather() -> None:
    """Surges are rare and large, no Gaussians: their fourth moments widen the errors, here to twice those."""
    law, logs = traffic_law(SCENARIO), np.log([traffic_weather(SCENARIO, day, 0) for day in range(DAYS)])
    spread = np.diag(law.covariance)
    assert (np.abs(logs.mean(axis=0) - law.mean) < 4.5 * np.sqrt(spread / DAYS)).all()
    close(np.cov(logs.T), law.covariance, 2 * spread)
    calm = traffic_law(SCENARIO.override({"traffic.surge_probability": 0.0}))
    assert (law.mean > calm.mean).all()
    assert (np.diag(law.covariance) > np.diag(calm.covariance)).all()


def test_an_autoregression_s_covariance_is_its_formula() -> None:
    """sigma^2 rho^|s - t| (1 - rho^(2 (min + 1))) / (1 - rho^2), from 0 before the first tick."""
    tick = np.arange(6)
    early = np.minimum.outer(tick, tick)
    expected = 0.25 * 0.8 ** np.abs(np.subtract.outer(tick, tick)) * (1 - 0.64 ** (early + 1)) / 0.36
    np.testing.assert_allclose(walk(0.8, 0.5, 6), expected, rtol=1e-12)


def look(day: int, tick: int, policy: KnowsTheLaw) -> tuple[World, PacingView]:
    """Lets the oracle play up to a tick, and gives what it sees then."""
    world = World(SCENARIO, {"pacing": Open()}, seed=day)
    world.until_asked()
    view: PacingView = world.look("pacing")
    policy.start(view, np.random.default_rng(0))
    while view.told.tick < tick:
        world.answer(policy.decide(view))
        world.until_asked()
        view = world.look("pacing")
    return world, view


def test_growth_is_the_regression_over_all_verticals_and_ticks() -> None:
    """The same as by the covariance of everything with everything, which the oracle takes apart."""
    policy, now = KnowsTheLaw(SCENARIO, size=64, rounds=1), 5
    _, view = look(3, now, policy)
    table, ticks = build(SCENARIO).campaigns, 12
    factor = demand_weather(SCENARIO, table, 3, 0)
    following = np.flatnonzero(table.follows_demand)
    first = following[np.unique(table.vertical[following], return_index=True)[1]]
    own = value_laws(SCENARIO, VERTICALS)[1].covariance
    whole = np.kron(np.eye(VERTICALS), own) + SCENARIO.weather.common_sigma**2
    mean = -np.diag(whole) / 2
    seen = np.flatnonzero(np.arange(VERTICALS * ticks) % ticks <= now)
    logs = np.log(factor[:, first].T).ravel()
    gain = np.linalg.solve(whole[np.ix_(seen, seen)] + 1e-9 * np.eye(seen.size), whole[seen])
    ahead = mean + (logs[seen] - mean[seen]) @ gain
    variance = np.diag(whole) - (whole[seen] * gain).sum(axis=0)
    expected = np.exp(ahead + variance / 2).reshape(VERTICALS, ticks)[table.vertical]
    grown = policy._growth(view)
    assert grown.shape == (table.target.size, ticks - now)
    assert (grown[:, 0] == 1).all()
    steady = ~table.follows_demand
    assert steady.any()
    assert (grown[steady] == 1).all()
    np.testing.assert_allclose(grown[following, 1:], (expected / factor[now][:, None])[following, now + 1 :], rtol=1e-4)


def test_traffic_to_come_is_the_regression_on_what_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the logarithm of requests over the forecast, each number with the variance that a Poisson's logarithm has.

    What is left of budgets is planned for so many requests.
    """
    policy, now, wanted = KnowsTheLaw(SCENARIO, size=64, rounds=1), 5, list[Floats]()

    def plan(view: PacingView, requests: Any, afford: Floats, start: Floats, rounds: int) -> Floats:
        wanted.append(afford)
        return start

    monkeypatch.setattr(pacing_law, "equilibrium", plan)
    world, view = look(3, now, policy)
    policy.decide(view)
    came, law = world.ledger.requests(), traffic_law(SCENARIO)
    logs = np.log(came / (view.told.forecast_requests * world.forecast[:now]))
    precision = np.linalg.inv(law.covariance + np.diag(np.concatenate([1 / came, np.zeros(12 - now)])))[now:]
    variance = np.linalg.inv(precision[:, now:])  # of those to come, given what has come
    mean = law.mean[now:] - variance @ precision[:, :now] @ (logs - law.mean[:now])
    requests = view.told.forecast_requests * world.forecast[now:] @ np.exp(mean + np.diag(variance) / 2)
    np.testing.assert_allclose(wanted[now], view.told.budget_left / requests, rtol=1e-9)


def test_the_sample_has_as_many_requests_of_each_tick_as_are_expected_worth_what_they_will_be() -> None:
    policy = KnowsTheLaw(SCENARIO, size=640)
    world = World(SCENARIO, {"pacing": dict.fromkeys((2, 9), Open())}, seed=0)
    world.until_asked()
    world.answer(None)
    while (asked := world.until_asked()) is not None and asked.view.told.tick < 5:
        world.answer(None)
    assert asked is not None
    view: PacingView = asked.view
    expected = np.array([700.0, 100, 400, 0, 300, 200, 300])
    grows = 1 + np.arange(14.0).reshape(2, 7)
    plain = policy._sample(view, expected, np.ones((2, 7)))
    worth = policy._sample(view, expected, grows)
    assert plain.tick.size == worth.tick.size == 640
    assert np.bincount(plain.tick, minlength=12)[:5].sum() == 0
    assert np.bincount(plain.tick, minlength=12)[5:] == pytest.approx(640 * expected / expected.sum(), abs=16)
    np.testing.assert_allclose(worth.rate[[2, 9]], plain.rate[[2, 9]] * grows[:, plain.tick - 5], rtol=1e-6)
    others = np.setdiff1d(np.arange(24), [2, 9])
    assert worth.rate[others].tobytes() == plain.rate[others].tobytes()


def test_forecasts_of_values_are_right_on_average(values: Floats) -> None:
    """After the fifth tick, of the last one: the mean of truth over forecast is 1, and errors have the variance foretold."""
    of_mean, of_own = value_laws(SCENARIO, VERTICALS)
    exact = np.full(5, 1e-9)
    middle = values.mean(axis=1)
    first, second = rest(of_mean, middle[:, :5], exact), rest(of_own, (values[:, 1] - middle)[:, :5], exact)
    variance = first.variance + (1 - 1 / VERTICALS) * second.variance
    error = values[:, 1, 5:] - first.mean - second.mean
    assert error.var(axis=0) == pytest.approx(variance, rel=4.5 * np.sqrt(2 / DAYS))
    ratio = np.exp(error - variance / 2)
    assert (np.abs(ratio.mean(axis=0) - 1) < 4.5 * ratio.std(axis=0) / np.sqrt(DAYS)).all()
    assert variance[-1] < 0.8 * np.diag(of_mean.covariance + (1 - 1 / VERTICALS) * of_own.covariance)[-1]


def test_without_weather_there_is_nothing_to_know() -> None:
    """It plans with the forecast, and ends as the joint MPC that trusts it does."""
    even = SCENARIO.override({**CALM, "traffic.arrivals": "even", "weather.common_sigma": 0.0, "demand.campaigns": 12})
    spent = []
    for policy in (KnowsTheLaw(even), JointMPC(confidence=1e6, gain=0.0)):
        world = World(even, {"pacing": policy}, seed=1)
        world.run()
        spent.append(world.ledger.spend().sum(axis=0) / (world.campaigns.budget / MICRO))
    assert spent[0] == pytest.approx(spent[1], abs=0.01)


@pytest.mark.parametrize(
    ("scenario", "held"),
    [
        (SCENARIO.override({"days": 2}), (1, 4, 7)),
        (SCENARIO.override({"demand.follows_demand": 0.0}), None),
        (SCENARIO.override({"demand.budget_share": None}), None),
        (market(0, 0, 0).override({"demand.campaigns": 12}), (3, 5)),
    ],
    ids=["some", "steady", "unlimited", "funnel"],
)
def test_it_holds_any_campaigns_of_any_market(scenario: Scenario, held: tuple[int, ...] | None) -> None:
    books = []
    policy: Any = KnowsTheLaw(scenario)
    for _ in range(2):
        world = World(scenario, {"pacing": policy if held is None else dict.fromkeys(held, policy)}, seed=2)
        world.run()
        books.append(world.ledger.pace)
    assert books[0].tobytes() == books[1].tobytes()
    assert world.ledger.is_paced == (scenario.demand.budget_share is not None)  # type: ignore[union-attr]
    others = [k for k in range(books[0].shape[1]) if held is not None and k not in held]
    assert (books[0][:, others] == 1).all()
