"""Evolution strategies: the slope against one known by hand, common days, and a policy that gets better."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from adarena.agents.learning.evolution import Evolution
from adarena.agents.learning.groups import GroupedEnvs
from adarena.agents.learning.settings import make_settings
from adarena.simulator import PolicyError

FEATURES, UNITS = 3, 2
WANTED = np.array([0.5, -0.4, 0.3])  # weights of the best policy, tanh(WANTED . row) for each unit


class Targets(gym.Env[Any, Any]):
    """Each unit is to do what its row says; a day of luck, that no policy can change, is a hundred times as large."""

    observation_space = spaces.Box(-5.0, 5.0, (UNITS * FEATURES,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (UNITS,), np.float32)
    metadata = {"features": ("a", "b", "c")}  # noqa: RUF012

    def __init__(self, steps: int = 4) -> None:
        self.steps = steps

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_, self.day = 0, float(100 * self.np_random.standard_normal())
        return self._rows(), {}

    def _rows(self) -> Any:
        self.rows = self.np_random.standard_normal((UNITS, FEATURES)).astype(np.float32)
        return self.rows.reshape(-1)

    def step(self, action: Any) -> Any:
        miss = action - np.tanh(self.rows @ WANTED)
        self.step_ += 1
        reward = self.day - float((miss**2).sum())
        return self._rows(), reward, self.step_ >= self.steps, False, {"day": self.day}


def evolution(members: int = 64, rate: float = 0.05, sigma: float = 0.05, make: Any = Targets) -> Evolution:
    """On those targets; the policy is linear up to a tanh, as the best one is."""
    envs = GroupedEnvs([make] * members, members)
    return Evolution(envs, 0, rate, sigma, 1, policy_kwargs={"units": UNITS, "widths": []})


def test_the_slope_is_that_of_the_expected_return() -> None:
    """Of returns that are linear in the perturbation the mean slope points where they rise, to the sampling error."""
    model = evolution(members=4096)
    noise = model.perturbations()
    assert (noise[::2] == -noise[1::2]).all()
    rise = torch.tensor([1.0, -2.0, 0.0, 3.0])
    before = torch.nn.utils.parameters_to_vector(model.policy.actor.parameters()).detach().clone()
    model.policy.optimizer = torch.optim.SGD(model.policy.actor.parameters(), lr=1.0)
    model.lr_schedule = lambda left: 1.0
    model.set_logger(Logger(None, []))
    model.step(noise, noise @ rise + 50)
    moved = torch.nn.utils.parameters_to_vector(model.policy.actor.parameters()).detach() - before
    # gained = 2 noise . rise, its root mean square 2 |rise|: so the slope is rise / |rise|, with errors of 1 / sqrt(pairs)
    torch.testing.assert_close(moved, rise / rise.norm(), atol=4.5 * 1.5 / 2048**0.5, rtol=0)


def test_members_meet_the_same_days_and_a_policy_is_found_that_luck_hides() -> None:
    model, days = evolution(), []

    class Noted(BaseCallback):
        def _on_step(self) -> bool:
            days.append([info["day"] for info in self.locals["infos"]])
            return True

    model.learn(64 * 4 * 60, callback=Noted())
    assert all(len(set(row)) == 1 for row in days)
    assert len({row[0] for row in days}) == 60
    weights = torch.nn.utils.parameters_to_vector(model.policy.actor.parameters()).detach().numpy()
    np.testing.assert_allclose(weights, [*WANTED, 0.0], atol=0.08)


def test_a_policy_at_first_does_nothing_and_treats_units_alike() -> None:
    model = evolution(members=2)
    rows = np.random.default_rng(0).standard_normal((UNITS, FEATURES)).astype(np.float32)
    assert (model.policy.predict(rows.reshape(-1))[0] == 0).all()
    model.learn(2 * 4 * 5)
    one, other = model.policy.predict(rows.reshape(-1))[0], model.policy.predict(rows[::-1].reshape(-1))[0]
    assert one[0] != 0
    np.testing.assert_array_equal(one, other[::-1])


def test_episodes_are_of_one_length() -> None:
    lengths = iter([3, 4])
    with pytest.raises(PolicyError, match="only if all episodes have one length"):
        evolution(members=2, make=lambda: Targets(next(lengths))).learn(100)


def test_members_come_in_pairs() -> None:
    with pytest.raises(PolicyError, match="an even number of envs"):
        make_settings("es", {"envs": 3})
