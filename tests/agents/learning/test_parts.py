"""Environments in several processes: the same as in one, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from test_learning import ID, every_algorithm, learn, weights
from test_stopping import at, send

from adarena.agents.learning.groups import GroupedEnvs
from adarena.agents.learning.parts import EnvsInParts
from adarena.agents.learning.training import _watched
from adarena.simulator import PolicyError

MAKE = partial(_watched, ID, {"scenario": "tiny"})


class Refusing(gym.Env[Any, Any]):
    """Takes one step, and no other."""

    observation_space = action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self) -> None:
        self.steps, self.secret = 0, lambda: 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps > 1:
            raise PolicyError(f"no step {self.steps}")
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_processes_bring_what_one_brings_and_stand_where_it_stands() -> None:
    whole, parts = GroupedEnvs([MAKE] * 5, 2), EnvsInParts([MAKE] * 5, 2, 3)
    dice = np.random.default_rng(0)
    for envs in (whole, parts):
        envs.seed(4)
    assert whole._seeds == parts._seeds == [4, 4, 5, 5, 6]
    np.testing.assert_array_equal(whole.reset(), parts.reset())
    assert whole.reset_infos == parts.reset_infos
    ended = 0
    for _ in range(30):  # a day of the tiny market has 24 ticks
        actions = dice.uniform(-1, 1, (5, 1)).astype(np.float32)
        for ours, theirs in zip(whole.step(actions)[:3], parts.step(actions)[:3], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        ended += int(whole.buf_dones.sum())
    assert ended == 5
    assert whole.place() == parts.place()
    seen = dice.uniform(-1, 1, (5, 1)).astype(np.float32)
    told, again = whole.step(seen), EnvsInParts([MAKE] * 5, 2, 2)
    place, here = whole.place(), told[0]
    again.go_to(place, here)  # with other processes than it was written by
    for ours, theirs in zip(whole.step(seen)[:3], again.step(seen)[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(PolicyError, match="does not come back to where the checkpoint was written"):
        again.go_to(place, here + 1)
    for envs in (whole, parts, again):
        envs.close()
    assert not multiprocessing.active_children()


def test_infos_and_attributes_are_those_of_each_environment() -> None:
    whole, parts = GroupedEnvs([MAKE] * 3, 1), EnvsInParts([MAKE] * 3, 1, 2)
    for envs in (whole, parts):
        envs.seed(0)
        envs.reset()
    for _ in range(25):
        told = [envs.step(np.zeros((3, 1), np.float32))[3] for envs in (whole, parts)]
        for ours, theirs in zip(*told, strict=True):
            assert ours.keys() == theirs.keys()
            assert {k: v for k, v in ours.items() if k not in ("episode", "terminal_observation")} == {
                k: v for k, v in theirs.items() if k not in ("episode", "terminal_observation")
            }
    assert parts.get_attr("reward_kind") == whole.get_attr("reward_kind") == ["objective"] * 3
    assert parts.env_is_wrapped(Monitor, [2]) == [True]
    assert parts.env_method("get_episode_rewards", indices=1) == whole.env_method("get_episode_rewards", indices=1)
    parts.set_attr("unspent", 0.5, [1])
    assert parts.get_attr("unspent") == [0.0, 0.5, 0.0]
    assert not parts.has_attr("nothing")
    parts.close()


def test_what_an_environment_raises_is_raised_here_and_the_others_go_on() -> None:
    parts = EnvsInParts([Refusing, Refusing], 1, 2)
    parts.reset()
    parts.step(np.zeros((2, 1), np.float32))
    for number in (2, 3):
        with pytest.raises(PolicyError, match=f"no step {number}"):
            parts.step(np.zeros((2, 1), np.float32))
    with pytest.raises(PolicyError, match="what get_attr brings cannot be told to another process"):
        parts.get_attr("secret")
    parts.close()


def test_a_process_that_is_killed_is_told_of() -> None:
    parts = EnvsInParts([MAKE] * 2, 1, 2)
    parts.reset()
    victim = multiprocessing.active_children()[0]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGTERM)  # is left to whoever trains
    parts.step(np.zeros((2, 1), np.float32))
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    with pytest.raises(PolicyError, match="a process that plays environments was killed"):
        parts.step(np.zeros((2, 1), np.float32))
    parts.close()


@every_algorithm
def test_the_agent_is_the_same_by_any_number_of_processes_and_goes_on_with_another(algorithm: str, tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole", algorithm, 300)
    with pytest.raises(KeyboardInterrupt, match=r"stopped at \d+ of 300 steps"):
        learn(tmp_path / "run", algorithm, 300, advance=at(120, send(signal.SIGINT)), processes=2)
    assert not multiprocessing.active_children()
    learn(tmp_path / "run", algorithm, 300, resume=True)
    assert weights(tmp_path / "run") == weights(whole)


def test_there_is_at_least_one_process(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="a whole number from 1 up as processes, not 0"):
        learn(tmp_path / "run", processes=0)
