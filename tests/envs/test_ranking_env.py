"""`AdArena/Ranking-v0`: a decision a day is that of a policy that decides the same; rewards add up to the score."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import adarena  # noqa: F401  (registers the environments)
from adarena.agents.ranking.constant import Constant
from adarena.agents.ranking.goal import left, request_worth, score
from adarena.envs.ranking import RankingEnv
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.response.visits import Visit
from adarena.simulator.seats.ranking.decisions import RankingPolicy, Weights
from adarena.simulator.seats.ranking.vectors import RankingVectors

SMALL = Scenario.preset("ranking-small").override({"days": 3, "traffic.requests_per_day": 1_500, "ticks_per_day": 8})
ACTIONS = np.array([[0.5, -0.5], [-1.0, 0.25], [1.0, 1.0]], np.float32)


class ByDay(RankingPolicy):
    """What the actions stand for, written out by hand."""

    def decide(self, view: Any) -> Weights | None:
        a, b = ACTIONS[view.told.day].tolist()
        return Weights(2.0 + 0.3 * a, 0.5 * (1 + b), 0.0) if view.told.tick == 0 else None


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_run_by_the_day_is_that_of_a_policy_that_decides_the_same(engine: Any) -> None:
    env = RankingEnv(SMALL, "constant:squashing=2,cost=0.5", engine=engine)
    env.reset(options={"day": 7})
    rewards, infos = [], []
    for number, action in enumerate(ACTIONS):
        _, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (number == 2, False)
        rewards.append(reward)
        infos.append(info)
    world = World(SMALL, {"ranking": ByDay()}, seed=7)
    start = left(world)
    world.run()
    for name in ("counts", "sums", "left"):
        np.testing.assert_array_equal(getattr(env.world.ledger, name), getattr(world.ledger, name))
    unit = request_worth(SMALL) * SMALL.expected_requests
    assert sum(rewards) * unit == pytest.approx(score(world) - start, rel=1e-9)
    assert infos[-1]["score"] == pytest.approx(score(world))
    assert (
        sum(info["value"] for info in infos)
        == pytest.approx(infos[-1]["total_value"])
        == pytest.approx(world.ledger.value().sum())
    )
    assert sum(info["requests"] for info in infos) == world.played


def test_a_decision_may_hold_for_a_tick() -> None:
    """The same action at every tick of a day is that action for the day."""
    by_tick, by_day = (RankingEnv(SMALL, every=every) for every in ("tick", "day"))  # type: ignore[arg-type]
    for env in (by_tick, by_day):
        env.reset(options={"day": 5})
    total = 0.0
    for number in range(24):
        _, reward, terminated, _, _ = by_tick.step(ACTIONS[number // 8])
        total += reward
    assert terminated
    whole = sum(by_day.step(action)[1] for action in ACTIONS)
    assert total == pytest.approx(8 * whole)
    np.testing.assert_array_equal(by_tick.world.ledger.counts, by_day.world.ledger.counts)


def test_observations_are_what_the_docstring_says() -> None:
    env = RankingEnv(SMALL)
    first, _ = env.reset(options={"day": 3})
    np.testing.assert_allclose(first, [0, 1, 0, 1, 0, 0, 0, -1, 0, 0], atol=1e-6)
    seen, _, _, _, info = env.step(ACTIONS[0])
    world, visits = env.world, env.world.visits
    assert visits is not None
    rows = slice(0, 8)
    made, planned = visits.counts[rows, Visit.MADE].sum(), visits.counts[rows, Visit.PLANNED].sum()
    frame = world.ledger.to_frame()
    books = frame[frame["day"] == 0]
    shown, believed = books["impressions"].sum(), books["believed_value"].sum()
    history = env._view.told.history
    usual = (history.conversions @ env._view.told.value) / history.impressions.sum()
    new = env._view.new
    expected = {
        0: 1 / 8, 1: 1 - 2 / 3, 2: made / planned, 3: 5 * (info["satisfaction"] - 0.8), 4: shown / made / 2.4,
        5: np.log(believed / shown / usual), 6: 10 * books["clicks"].sum() / shown,
        7: 2 * (env._view.seen.clicks[new] >= 2).mean() - 1, 8: 0.5, 9: -0.5,
    }  # fmt: skip
    np.testing.assert_allclose(seen, [expected[n] for n in range(10)], rtol=1e-5, atol=1e-6)


def test_an_agent_of_days_waits_for_the_next_one() -> None:
    vectors = RankingEnv.vectors_for({"every": "day"})
    seen: list[bool] = []

    class Asks(RankingPolicy):
        def decide(self, view: Any) -> None:
            seen.append(vectors.waits(view))

    World(SMALL, {"ranking": Asks()}, seed=1).run()
    assert seen == [tick > 0 for _ in range(3) for tick in range(8)]
    assert not RankingVectors(Constant(), daily=False).waits(None)  # type: ignore[arg-type]


def test_a_market_without_sessions_can_be_ranked() -> None:
    env = gymnasium.make("AdArena/Ranking-v0", scenario=SMALL.override({"sessions": None}))
    seen, _ = env.reset(seed=1)
    assert seen[3] == 0
    _, reward, *_, info = env.step(ACTIONS[0])
    assert info["left"] == 0
    assert reward > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every": "week"}, "a decision holds for a day or a tick, not for 'week'"),
        ({"base": 3}, "the base is the name of a ranking"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words):
        RankingEnv(SMALL, **settings)
