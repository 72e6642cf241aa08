"""What every registered environment must keep: checkers are silent, seeds are days, engines agree, mistakes cost a sentence."""

from __future__ import annotations

import hashlib
import importlib
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from adarena import ENVIRONMENTS
from adarena.agents.splits import SPLITS
from adarena.benchmarks.suites import SUITES
from adarena.envs.base import SeatEnv
from adarena.simulator import MarketError, PolicyError
from adarena.simulator.seats import SEATS


def kind(name: str) -> Any:
    module, _, found = ENVIRONMENTS[name].partition(":")
    return getattr(importlib.import_module(module), found)


# Those of a day of a market; an environment of another kind has tests of its own.
every_environment = pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if issubclass(kind(name), SeatEnv)])


def made(name: str, **settings: Any) -> SeatEnv:
    env = gym.make(name, **settings).unwrapped
    assert isinstance(env, SeatEnv)
    return env


def digest(env: SeatEnv, days: int = 2) -> str:
    """A few days of random actions as a hash of every byte that the agent got."""
    found, dice = hashlib.sha256(), np.random.default_rng(0)
    for seed in range(days):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            found.update(observation.tobytes())
            action = dice.uniform(-1, 1, env.action_space.shape).astype(np.float32)
            observation, reward, over, truncated, _ = env.step(action)
            found.update(np.float64(reward).tobytes())
            assert env.observation_space.contains(observation)
            assert not truncated
        found.update(observation.tobytes())
    return found.hexdigest()


@every_environment
def test_it_is_of_a_seat_that_is_compared(name: str) -> None:
    found = kind(name)
    assert found.seat in SEATS
    assert found.seat in SUITES
    env = made(name)
    assert env.metadata["features"] == found.vectors.features
    assert env.observation_space.shape[0] % len(found.vectors.features) == 0
    assert env.action_space.shape[0] % found.vectors.actions == 0
    assert (env.days[0], env.days[1]) == (SPLITS["train"].start, SPLITS["train"].stop)


@every_environment
def test_checkers_have_nothing_to_say(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(name), skip_render_check=True)
        sb3_check_env(gym.make(name, render_mode=None))


@every_environment
def test_a_seed_is_a_run_of_days_whichever_engine_plays_them(name: str) -> None:
    env = made(name)
    first = digest(env)
    assert digest(env) == first == digest(made(name, engine="events"))
    env.reset(seed=7)
    assert digest(env, 1) != first


@every_environment
def test_its_spec_makes_it_again(name: str) -> None:
    env = gym.make(name)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert digest(again.unwrapped, 1) == digest(env.unwrapped, 1)  # type: ignore[arg-type]


@every_environment
def test_mistakes_cost_a_sentence_and_play_nothing(name: str) -> None:
    env = made(name)
    with pytest.raises(MarketError, match=r"call reset$"):
        env.step(np.zeros(env.action_space.shape, np.float32))
    with pytest.raises(MarketError, match="there is no option 'weather'"):
        env.reset(options={"weather": "fine"})
    with pytest.raises(MarketError, match="the day is a whole number from 0"):
        env.reset(options={"day": -1})
    with pytest.raises(MarketError, match="a seed is a whole number from 0 up, not -1"):
        env.reset(seed=-1)
    env.reset(seed=0)
    now = env.world.now
    for action, words in (
        (np.full(env.action_space.shape, 1.1), "lies from -1 to 1"),
        (np.zeros(99), "has shape"),
        ("up", "from -1"),
    ):
        with pytest.raises(PolicyError, match=words):
            env.step(action)  # type: ignore[arg-type]
    assert env.world.now == now
    for arguments in ({"days": (5, 5)}, {"engine": "steam"}):
        with pytest.raises(MarketError):
            made(name, **arguments)


@every_environment
def test_an_interrupted_step_asks_for_reset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = made(name)
    env.reset(seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(env, "judge", lambda *what: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            env.step(np.zeros(env.action_space.shape, np.float32))
    with pytest.raises(MarketError, match="no day is under way"):
        env.step(np.zeros(env.action_space.shape, np.float32))
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, np.float32))
