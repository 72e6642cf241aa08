"""Episodes side by side, where an environment has a way of its own to play hundreds at once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...simulator.core.errors import PolicyError
from .groups import MOVED


class Many(Protocol):
    """Episodes of an environment in so many lanes; one that ends makes room for the next."""

    def begin(self, dice: np.random.Generator) -> NDArray[np.float32]:
        """New episodes in all lanes; what is observed."""

    def move(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """A step in each: observations, rewards, whether an episode has ended there, and the last observations of those."""

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Where all lanes are."""

    def restore(self, kept: Mapping[str, NDArray[Any]], dice: np.random.Generator) -> NDArray[np.float32]:
        """Brings all lanes to where they were; what is observed there."""


class SideBySide(VecEnv):
    """The lanes of an environment as Stable-Baselines3 takes them."""

    def __init__(self, env: gym.Env[Any, Any], lanes: int, group: int) -> None:
        """Raises `PolicyError` for groups: episodes in lanes are of different lengths."""
        if group != 1:
            raise PolicyError("episodes side by side are of different lengths, so that they make no groups: set group=1")
        self.envs, self.render_mode = [env], None  # the one that tells of itself
        super().__init__(lanes, env.observation_space, env.action_space)
        self.many: Many = cast(Any, env.unwrapped).side_by_side(lanes)
        self._returns, self._lengths = np.zeros(lanes), np.zeros(lanes, np.int64)
        self._infos: list[dict[str, Any]] = [{} for _ in range(lanes)]
        self._dice, self._begun_s = np.random.default_rng(), time.monotonic()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """One seed for all lanes."""
        self._dice = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def reset(self) -> NDArray[np.float32]:
        """See `VecEnv.reset`."""
        self._returns[:], self._lengths[:] = 0.0, 0
        return self.many.begin(self._dice)

    def step_async(self, actions: NDArray[Any]) -> None:
        """See `VecEnv.step_async`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """See `VecEnv.step_wait`."""
        return self.after(*self.many.move(self._actions))

    def after(
        self, observed: NDArray[np.float32], rewards: NDArray[np.float32], over: NDArray[np.bool_], last: NDArray[np.float32]
    ) -> VecEnvStepReturn:
        """What a step, in which lanes have moved so, returns."""
        self._returns += rewards
        self._lengths += 1
        infos = self._infos
        if over.any():
            infos, seconds = list(infos), round(time.monotonic() - self._begun_s, 6)
            for lane, row in zip(np.flatnonzero(over), last, strict=True):
                episode = {"r": float(self._returns[lane]), "l": int(self._lengths[lane]), "t": seconds}
                infos[lane] = {"terminal_observation": row, "episode": episode}
            self._returns[over], self._lengths[over] = 0.0, 0
        return observed, rewards, over, infos

    def place(self) -> dict[str, Any]:
        """Where its lanes are, as a checkpoint can hold it; see `GroupedEnvs.place`."""
        kept = {"returns": self._returns, "lengths": self._lengths, **self.many.snapshot()}
        arrays = {name: torch.from_numpy(np.array(array)) for name, array in kept.items()}
        return {"arrays": arrays, "dice": json.dumps(self._dice.bit_generator.state)}

    def go_to(self, place: Mapping[str, Any], observations: NDArray[Any]) -> None:
        """See `GroupedEnvs.go_to`."""
        kept = {name: array.numpy() for name, array in place["arrays"].items()}
        self._dice.bit_generator.state = json.loads(place["dice"])
        self._returns[:], self._lengths[:] = kept.pop("returns"), kept.pop("lengths")
        if not np.array_equal(self.many.restore(kept, self._dice), observations):
            raise PolicyError(MOVED)

    def close(self) -> None:
        """See `VecEnv.close`."""
        self.envs[0].close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """See `VecEnv.get_attr`."""
        return [self.envs[0].get_wrapper_attr(attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """See `VecEnv.set_attr`. Raises `PolicyError`: lanes have no attributes of their own."""
        raise PolicyError(f"episodes side by side are one environment, of which {attr_name!r} cannot be set lane by lane")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """See `VecEnv.env_method`. Raises `PolicyError`, as `set_attr` does."""
        raise PolicyError(f"episodes side by side are one environment, of which {method_name!r} cannot be called lane by lane")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """See `VecEnv.env_is_wrapped`."""
        return [False for _ in self._get_indices(indices)]
