"""Units as learners of their own: who sees and gains what, in which order; runs that resume; days that count alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from adarena.agents.learning.groups import GroupedEnvs, GroupedRollouts
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.settings import make_settings
from adarena.agents.learning.training import train
from adarena.agents.learning.units import UnitEnvs
from adarena.simulator import PolicyError

ID, TINY = "AdArena/Pacing-v0", {"scenario": "tiny"}
BOX = spaces.Box(-1.0, 1.0, (1,), np.float32)
UNITS, FEATURES = 3, 2


class Counting(gym.Env[Any, Any]):
    """Shows its number, the unit and the step; a unit gains what it did, and 100 for its number, 10 for its unit."""

    observation_space = spaces.Box(-1e3, 1e3, (UNITS * FEATURES,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (UNITS,), np.float32)

    def __init__(self, number: int, tells: bool = True) -> None:
        self.number, self.tells, self.time = number, tells, 0

    def _seen(self) -> Any:
        rows = [[100 * self.number + 10 * unit, self.time] for unit in range(UNITS)]
        return np.array(rows, np.float32).ravel()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        gained = 100 * self.number + 10 * np.arange(UNITS) + action
        over = self.time == 2
        info = {"unit_rewards": gained} if self.tells else {}
        if over:
            info["episode"] = {"r": float(self.number), "l": 2, "t": 0.0}
        return self._seen(), float(gained.mean()), over, False, info


def counting(tells: bool = True) -> UnitEnvs:
    """Four environments in groups of two."""
    makers = [lambda number=number: Counting(number, tells) for number in range(4)]
    return UnitEnvs(GroupedEnvs(makers, 2), UNITS, 2)


def test_each_unit_sees_its_row_and_gains_what_it_did() -> None:
    envs = counting()
    whose = envs.reset()[:, 0]
    # Members of a group stand side by side for each unit.
    assert whose.reshape(2, UNITS, 2).tolist() == [
        [[0, 100], [10, 110], [20, 120]],
        [[200, 300], [210, 310], [220, 320]],
    ]
    actions = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]
    seen, gained, over, infos = envs.step(actions)
    assert np.array_equal(seen[:, 0], whose)
    np.testing.assert_allclose(gained, whose + actions[:, 0], rtol=1e-6)
    assert not over.any()
    assert infos == [{}] * 12
    seen, _, over, infos = envs.step(actions)
    assert over.all()
    assert (seen[:, 1] == 0).all()  # the next day
    told = {int(whose[place]): info["episode"]["r"] for place, info in enumerate(infos) if info}
    assert told == {0: 0.0, 100: 1.0, 200: 2.0, 300: 3.0}  # once for each environment


def test_rows_and_environments_are_the_same_numbers() -> None:
    envs = counting()
    whole = np.arange(4 * UNITS * FEATURES).reshape(4, -1)
    assert np.array_equal(envs.joined(envs._apart(whole)), whole)
    assert envs.get_attr("number") == [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]
    assert envs.get_attr("number", [1, 6]) == [1, 2]
    envs.set_attr("number", 7, 3)
    assert [env.number for env in envs.envs] == [0, 7, 2, 3]
    assert envs.env_is_wrapped(Counting, [0]) == [False]


def test_who_does_not_tell_units_apart_is_refused() -> None:
    envs = counting(tells=False)
    envs.reset()
    with pytest.raises(PolicyError, match="only where a step tells the unit_rewards: set each=false"):
        envs.step(np.zeros((12, 1), np.float32))


def test_settings_of_units() -> None:
    with pytest.raises(PolicyError, match="for each unit by itself, or for all together by a shared network: not both"):
        make_settings("ppo", {"each": True, "shared": True})
    assert make_settings("ppo", {"each": True, "batch_size": 7}).batch_size == 7  # type: ignore[union-attr]
    with pytest.raises(PolicyError, match="divides envs x n_steps x units = 12288, not 7"):
        make_settings("ppo", {"each": True, "batch_size": 7}).check_batches(3)  # type: ignore[union-attr]


def test_a_run_of_units_that_was_killed_resumes_to_the_bit(tmp_path: Path) -> None:
    """A rollout of 30 ticks ends in the middle of a day of 24; six campaigns in four environments."""
    settings = make_settings("ppo", {"envs": 4, "group": 2, "n_steps": 30, "batch_size": 90, "n_epochs": 1}, ID)
    rollout = 4 * 30 * 6

    def run(out: str, **more: Any) -> bytes:
        train(ID, settings, 3 * rollout, 3, tmp_path / out, environment_settings=TINY, checkpoint_every=1, **more)
        state = load_agent(tmp_path / out).policy.state_dict()
        return b"".join(state[name].numpy().tobytes() for name in sorted(state))

    def kill(steps: int, mean_return: float | None) -> None:
        if steps > 2.5 * rollout:
            raise KeyboardInterrupt

    whole = run("whole")
    card = load_agent(tmp_path / "whole").card
    assert (card.units, card.actions, len(card.features), card.timesteps) == (1, 1, 25, 3 * rollout)
    with pytest.raises(KeyboardInterrupt):
        run("killed", advance=kill)
    assert run("killed", resume=True) == whole


@pytest.mark.parametrize("relative", [False, True])
def test_relative_advantages_are_shares_of_what_a_day_brings(relative: bool) -> None:
    """Two days of two ticks in a group of two; what the members gain differs by a tenth of the day, rich or poor."""
    buffer = GroupedRollouts(4, BOX, BOX, device="cpu", n_envs=2, group=2, relative=relative, gamma=1.0, gae_lambda=1.0)
    for step, gained in enumerate([(1.1, 0.9), (1.1, 0.9), (0.44, 0.36), (0.44, 0.36)]):
        starts = np.array([step % 2 == 0] * 2)
        buffer.add(np.zeros((2, 1)), np.zeros((2, 1)), np.array(gained), starts, torch.zeros(2), torch.zeros(2))
    buffer.compute_returns_and_advantage(torch.zeros(2), np.ones(2, bool))
    first = buffer.advantages[::2, 0]  # of the first member, as each day begins
    usual = 0.7  # gained a step
    expected = [0.2 / 1.0 * usual, 0.08 / 0.4 * usual] if relative else [0.2, 0.08]
    np.testing.assert_allclose(first, expected, rtol=1e-5)
    np.testing.assert_allclose(buffer.returns[0], [2.2, 1.8], rtol=1e-6)  # as the critic learns them
