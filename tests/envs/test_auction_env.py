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
    for _ in range(3):
        env.step(np.zeros(12, np.float32))
    reserve, revenue, _ = env.frame().panels
    assert revenue.course[3] == pytest.approx(env.world.ledger.spend().sum())
    assert np.isnan(reserve.course[3:]).all()
    assert Screen().draw(env.frame()).std() > 0
    assert len(text(env.frame()).splitlines()) == 2 + 3 + 2 + 1
