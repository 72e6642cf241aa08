"""The auction environment: actions are rules, rewards are the score of the books, doing nothing is the base."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.auction.goal import Goal, mean_price
from adarena.agents.catalogue import make_policy
from adarena.benchmarks.suites.auction import scores
from adarena.envs.auction import AuctionEnv
from adarena.envs.figure import Screen
from adarena.envs.frames import text
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.market.market import build

SMALL = Scenario.preset("auction-small").override({"traffic.requests_per_day": 2_000, "ticks_per_day": 8})


def test_doing_nothing_is_the_base_and_the_score_is_the_suites() -> None:
    env = AuctionEnv(SMALL)
    env.reset(options={"day": 4})
    over, total, parts = False, 0.0, np.zeros(6)
    while not over:
        _, reward, over, _, info = env.step(np.zeros(12, np.float32))
        assert reward == pytest.approx(info["unit_rewards"].mean())
        total += info["score"]
        parts += info["unit_rewards"]
    world = World(SMALL, {"auction": make_policy("auction", "local_search")}, seed=4)
    world.run()
    assert np.array_equal(world.ledger.counts, env.world.ledger.counts)
    assert total == pytest.approx(scores(world).sum()) == pytest.approx(info["total_score"])
    # A vertical's part is that of its campaigns; here each has one.
    table, ledger = build(SMALL).campaigns, world.ledger
    counts = ledger.counts.sum(axis=0)
    own = Goal().score(
        ledger.spend().sum(axis=0), ledger.value().sum(axis=0), counts[2] - counts[3], mean_price(build(SMALL).expected)
    )
    order = np.argsort(table.vertical)
    np.testing.assert_allclose(parts / parts.sum(), own[order] / own.sum(), rtol=1e-9)


def test_actions_move_reserves_and_squashing() -> None:
    env = AuctionEnv(SMALL, base="constant:reserve=1.0,squashing=0.6", reach=2.0)
    env.reset(options={"day": 4})
    action = np.zeros((6, 2), np.float32)
    action[:, 0] = np.linspace(-1, 1, 6)
    action[:, 1] = 0.4
    env.step(action.ravel())
    rules = env.world.look("auction").rules
    price = mean_price(build(SMALL).expected)
    order = np.argsort(np.argsort(build(SMALL).campaigns.vertical))
    np.testing.assert_allclose(rules.reserve, price * 2.0 ** np.linspace(-1, 1, 6)[order], rtol=1e-5)
    assert rules.squashing == pytest.approx(0.6 + 0.5 * 0.4, rel=1e-6)


def test_features_are_the_books_and_the_bids() -> None:
    """All of them, recomputed after each tick of random actions, two campaigns to a vertical."""
    scenario = SMALL.override(
        {"demand.campaigns": 6, "demand.verticals": 3, "auction.slots": 2, "auction.exposure": [1.0, 0.6]}
    )
    env, dice = AuctionEnv(scenario, base="constant:reserve=0.8,squashing=0.7"), np.random.default_rng(2)
    observation, _ = env.reset(options={"day": 5})
    table, expected, forecast = build(scenario).campaigns, build(scenario).expected, env.world.forecast
    groups = [np.flatnonzero(table.vertical == v) for v in np.unique(table.vertical)]
    price, levels, before = mean_price(expected), [], np.zeros(3)
    for tick in range(9):
        view, ledger = env.world.look("auction"), env.world.ledger
        level = np.log([np.mean([view.told.target[k] * expected.rate[k] for k in own]) for own in groups])
        reserve = np.array([np.log(view.rules.reserve[own]).mean() for own in groups])
        levels.append(level - np.log(price))
        x = np.zeros((3, 16))
        x[:, 0], x[:, 1] = 1 - tick / 4, np.log(forecast[min(tick, 7)] * 8)
        x[:, 3], x[:, 4] = levels[-1], levels[-1] - levels[-1].mean()
        x[:, 5] = 3 * (levels[-1] - levels[max(tick - 3, 0)])
        x[np.argsort(level), 6] = [-1, 0, 1]
        x[:, 7], x[:, 13] = reserve - level, 2 * view.rules.squashing - 1
        x[:, 11], x[:, 14], x[:, 15] = levels[-1].mean(), np.log(0.8 * price) - level, 2 * 0.7 - 1
        if tick:
            counts, requests = ledger.counts[tick - 1], ledger.requests()[tick - 1]
            wins, shown, clicks, spend = (np.array([counts[row, own].sum() for own in groups]) for row in (1, 2, 3, 5))
            x[:, 2] = np.log(requests / (scenario.expected_requests * forecast[tick - 1]))
            x[:, 8], x[:, 12] = wins / requests - 1, wins.sum() / requests - 1  # 2 x - 1 of two slots
            paid = np.log(np.maximum(spend / 1e6, 1e-30) / np.maximum(shown, 1)) - before
            x[:, 9], x[:, 10] = np.where(shown > 0, paid, 0.0), 20 * clicks / np.maximum(shown, 1)
        np.testing.assert_allclose(observation.reshape(3, 16), np.clip(x, -5, 5), rtol=1e-5, atol=1e-5)
        before = level
        if tick < 8:
            observation, _, _, _, info = env.step(dice.uniform(-1, 1, 6).astype(np.float32))
            told = info["revenue"] + 0.3 * info["surplus"] - 0.1 * info["users_cost"]
            assert info["score"] == pytest.approx(told)


def test_mistakes_and_a_frame() -> None:
    for arguments, error, words in (
        ({"base": "best"}, PolicyError, "there is no auction policy 'best'"),
        ({"reach": 0.5}, MarketError, "the reach of an action is a factor above 1"),
        ({"surplus": -1.0}, PolicyError, "from 0 up as surplus"),
    ):
        with pytest.raises(error, match=words):
            AuctionEnv(SMALL, **arguments)  # type: ignore[arg-type]
    env = AuctionEnv(SMALL)
    env.reset(options={"day": 1})
    assert Screen().draw(env.frame()).std() > 0  # before the first step, too
    for _ in range(3):
        env.step(np.zeros(12, np.float32))
    reserve, revenue, _ = env.frame().panels
    assert revenue.course[3] == pytest.approx(env.world.ledger.spend().sum())
    assert np.isnan(reserve.course[3:]).all()
    assert Screen().draw(env.frame()).std() > 0
    assert len(text(env.frame()).splitlines()) == 2 + 3 + 2 + 1
