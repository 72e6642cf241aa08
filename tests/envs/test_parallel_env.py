"""The market for PettingZoo: its own tests pass, and what agents get are the rows of `AdArena/Market-v0`."""

from __future__ import annotations

import builtins
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from adarena.envs.market import MarketEnv, parallel_env
from adarena.simulator import MarketError, PolicyError, Scenario
from adarena.simulator.market.market import build

pytest.importorskip("pettingzoo", reason="PettingZoo is not installed")

TINY = Scenario.named("tiny")
NAMES = build(TINY).campaigns.names


@pytest.mark.parametrize("settings", [{}, {"agents": [1, 4], "cap": 1.0}])
def test_the_tests_of_pettingzoo_have_nothing_to_say(settings: dict[str, Any], capsys: Any) -> None:
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(scenario=TINY, **settings), num_cycles=100)
        parallel_seed_test(lambda: parallel_env(scenario=TINY, **settings), num_cycles=60)


def test_agents_that_are_drawn_pass_too(capsys: Any) -> None:
    """Not all that are possible take part in a day, which PettingZoo warns of."""
    from pettingzoo.test import parallel_api_test

    env = parallel_env(scenario=TINY, agents=3)
    with pytest.warns(UserWarning, match="not all possible_agents are terminated"):
        parallel_api_test(env, num_cycles=100)
    assert env.possible_agents == list(NAMES)
    env.reset(seed=0)
    assert len(env.agents) == env.num_agents == 3


def test_agents_get_rows_of_the_environment() -> None:
    settings: dict[str, Any] = {"scenario": TINY, "agents": [NAMES[4], NAMES[0], NAMES[2]], "rivals": "dual"}
    env, rows = parallel_env(**settings), MarketEnv(**settings)
    (seen, told), (flat, info) = env.reset(seed=3), rows.reset(seed=3)
    assert env.agents == [NAMES[0], NAMES[2], NAMES[4]]
    dice, over = np.random.default_rng(0), False
    while not over:
        np.testing.assert_array_equal(np.concatenate([seen[a] for a in env.agents]), flat)
        np.testing.assert_array_equal(env.state(), flat)
        assert env.state_space.contains(env.state())
        action = dice.uniform(-1, 1, 3).astype(np.float32)
        agents = list(env.agents)
        seen, rewards, terminated, truncated, told = env.step({a: action[[n]] for n, a in enumerate(agents)})
        flat, reward, over, _, info = rows.step(action)
        assert [rewards[a] for a in agents] == info["unit_rewards"].tolist()
        assert np.mean(list(rewards.values())) == pytest.approx(reward)
        assert terminated == dict.fromkeys(agents, over)
        assert truncated == dict.fromkeys(agents, False)
        for n, a in enumerate(agents):
            assert told[a]["value"] == info["value"][n]
            assert told[a]["rivals"] == "dual"
            assert env.observation_space(a).contains(seen[a])
    assert env.agents == []
    np.testing.assert_array_equal(env.state(), flat)


def test_options_of_a_reset_reach_the_market() -> None:
    env = parallel_env(scenario=TINY, agents=2)
    _, told = env.reset(options={"day": 77, "agents": [0, 5], "of another": 1})
    assert env.agents == [NAMES[0], NAMES[5]]
    assert told[NAMES[5]]["day"] == 77
    assert told[NAMES[5]]["campaigns"] == 5


def test_mistakes_cost_a_sentence() -> None:
    env = parallel_env(scenario=TINY, agents=[0, 1])
    with pytest.raises(MarketError, match="call reset"):
        env.step({})
    env.reset(seed=0)
    still = np.zeros(1, np.float32)
    for actions, words in (
        ({NAMES[0]: still}, f"'{NAMES[1]}' has no action"),
        ({NAMES[0]: still, NAMES[1]: still, "me": still}, "'me' is none of the agents"),
        ({NAMES[0]: still, NAMES[1]: np.zeros(2)}, "a number from -1 to 1"),
        ({NAMES[0]: still, NAMES[1]: "up"}, "from -1 to 1"),
        ({NAMES[0]: still, NAMES[1]: np.full(1, 2.0)}, "an action lies from -1 to 1, not at 2"),
    ):
        with pytest.raises(PolicyError, match=words):
            env.step(actions)
    assert env.step(dict.fromkeys(env.agents, still))[2] == dict.fromkeys(env.agents, False)


def test_it_may_be_watched() -> None:
    env = parallel_env(scenario=TINY, render_mode="ansi")
    env.reset(seed=0)
    assert "tiny" in env.render()
    env.close()


def test_without_pettingzoo_it_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def lacking(name: str, *more: Any) -> Any:
        if name.startswith("pettingzoo"):
            raise ModuleNotFoundError(name)
        return imported(name, *more)

    monkeypatch.delitem(sys.modules, "adarena.envs.parallel", raising=False)
    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MarketError, match="pip install pettingzoo"):
        parallel_env(scenario=TINY)


def test_supersuit_drives_it() -> None:
    """Two markets as a vector of one agent in each place; days begin anew by themselves."""
    supersuit = pytest.importorskip("supersuit", reason="SuperSuit is not installed")
    alone = parallel_env(scenario=TINY)
    vector = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(parallel_env(scenario=TINY)), 2)
    seen, _ = vector.reset(seed=0)
    assert seen.shape == (2 * len(NAMES), 22)
    first, _ = alone.reset(seed=0)
    np.testing.assert_array_equal(seen[: len(NAMES)], np.array([first[a] for a in alone.agents]))
    ends = 0
    for _ in range(2 * TINY.ticks_per_day + 1):
        seen, rewards, terminated, truncated, _ = vector.step(np.zeros((2 * len(NAMES), 1), np.float32))
        if alone.agents:
            agents = list(alone.agents)
            _, one, _, _, _ = alone.step({a: np.zeros(1, np.float32) for a in agents})
            np.testing.assert_array_equal(rewards[: len(NAMES)], np.array([one[a] for a in agents], np.float32))
        assert np.isfinite(seen).all()
        assert not np.any(truncated)
        ends += int(np.sum(terminated))
    assert ends == 2 * 2 * len(NAMES)
    vector.close()
