"""Environments in groups that live through the same days, so that PPO credits an action with what it gained over others.

A day's weather moves a campaign's return more than any bid does, and no critic can foresee it. The members of a group meet the
same cases (common random numbers) and differ in their exploration alone, so the mean of their advantages at a tick is what the
day gave to all. It is taken off: a baseline from the group, as in GRPO (Shao et al. 2024), on top of the critic's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from gymnasium import Env, Wrapper
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...simulator.core.arrays import Floats32
from ...simulator.core.errors import PolicyError
from .checkpoint import Retraced

MOVED = "the environment does not come back to where the checkpoint was written: has it changed since?"


class GroupedEnvs(DummyVecEnv):
    """Environments of which each `group` in a row are seeded alike. Where they can, they move on together."""

    def __init__(self, makers: Sequence[Callable[[], Env[Any, Any]]], group: int) -> None:
        super().__init__(list(makers))
        self._group = group
        inner: list[Any] = [env.unwrapped for env in self.envs]
        # As environments of this package can, where nothing around them changes actions; see `envs.base`, which this folder
        # does not import.
        can = hasattr(inner[0], "together") and all(_passes_on(env) for env in self.envs)
        self._together = inner[0].together(inner) if can else None

    def step_wait(self) -> VecEnvStepReturn:
        """See `VecEnv.step_wait`. Infos are those of the environments, of which `DummyVecEnv` makes deep copies."""
        if self._together is not None:
            self._together.advance(self.actions, range(self.num_envs))
        for place, (env, action) in enumerate(zip(self.envs, self.actions, strict=True)):
            seen, self.buf_rews[place], terminated, truncated, told = env.step(action)
            self.buf_dones[place], self.buf_infos[place] = terminated or truncated, dict(told)
            self.buf_infos[place]["TimeLimit.truncated"] = truncated and not terminated
            if self.buf_dones[place]:
                self.buf_infos[place]["terminal_observation"] = seen
                seen, self.reset_infos[place] = env.reset()
            self._save_obs(place, seen)
        return self._obs_from_buf(), self.buf_rews.copy(), self.buf_dones.copy(), list(self.buf_infos)

    def place(self) -> dict[str, Any]:
        """Where its environments are, as a checkpoint can hold it."""
        return {"traces": json.dumps([cast(Retraced, env).trace() for env in self.envs])}

    def go_to(self, place: Mapping[str, Any], observations: NDArray[Any]) -> None:
        """Brings fresh environments there, where these are observed, (n, any).

        Raises:
            PolicyError: if an environment does not repeat itself.
        """
        for env, trace, seen in zip(self.envs, json.loads(place["traces"]), observations, strict=True):
            if not np.array_equal(cast(Retraced, env).retrace(trace), seen):
                raise PolicyError(MOVED)

    def close(self) -> None:
        """See `VecEnv.close`."""
        super().close()
        if self._together is not None:
            self._together.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds group g with seed + g; see `VecEnv.seed`."""
        seeds = super().seed(seed)
        self._seeds = [seeds[place // self._group] for place in range(self.num_envs)]
        return self._seeds


def _passes_on(env: Env[Any, Any]) -> bool:
    """Whether an action reaches the innermost environment as it is."""
    while isinstance(env, Wrapper):
        if type(env) not in (Retraced, Monitor, OrderEnforcing, PassiveEnvChecker):
            return False
        env = env.env
    return True


class GroupedRollouts(RolloutBuffer):
    """A rollout buffer whose advantages are what an environment gained over the mean of its group at the same step.

    With `relative` they are shares of what the group gained in that episode: else a policy learns from days that bring much,
    and hardly from poor ones, which count as much where days are compared by ratios. Returns, which the critic learns, stay.
    """

    def __init__(self, *arguments: Any, group: int, relative: bool, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._group, self._relative = group, relative

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: NDArray[np.bool_]) -> None:
        """See `RolloutBuffer`.

        Raises:
            PolicyError: if the members of a group are not at the same tick of a day.
        """
        super().compute_returns_and_advantage(last_values, dones)
        shape = (self.buffer_size, -1, self._group)
        starts, advantages = self.episode_starts.reshape(shape), self.advantages.reshape(shape)
        if (starts != starts[:, :, :1]).any():
            raise PolicyError("environments learn in groups only if all episodes have one length: set group=1")
        if self._group > 1:
            advantages = advantages - advantages.mean(axis=2, keepdims=True)
        if self._relative:
            gained = _by_episode(self.rewards.reshape(shape).mean(axis=2), starts[:, :, 0])
            usual = gained.mean()  # an episode that brought nearly nothing has nothing to teach
            advantages = advantages / np.maximum(gained, 0.1 * usual)[:, :, None] * usual
        self.advantages = advantages.reshape(self.advantages.shape)


def _by_episode(gained: Floats32, starts: Floats32) -> Floats32:
    """What was gained a step, (steps, groups), as the mean over the steps of its episode, as far as they are in the buffer."""
    mean = np.empty_like(gained)
    for column in range(gained.shape[1]):
        bounds = [0, *(np.flatnonzero(starts[1:, column]) + 1), len(gained)]
        for first, end in pairwise(bounds):
            mean[first:end, column] = gained[first:end, column].mean()
    return mean
