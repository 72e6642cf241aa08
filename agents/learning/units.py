"""Each unit of an environment as a learner of its own, that is credited with its own reward: one policy learns from all.

An environment that shows a row for each unit, such as a campaign, and tells in `info["unit_rewards"]` what each unit gained,
is taken apart into as many environments of one row. What a unit does to the others is part of its surroundings (independent
learners that share parameters, Tan 1993; Gupta et al. 2017). A reward of all units together would be the sum of what all do
at once, from which a unit learns of itself the slower the more there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...simulator.core.errors import PolicyError
from .groups import GroupedEnvs

REWARDS = "unit_rewards"  # (units,) in the infos of a step


class UnitEnvs(VecEnv):
    """n environments of `units` rows as n x `units` of one row.

    They are in the order of group, unit, member: who lives through the same day as the same unit stands side by side, as
    `GroupedRollouts` takes members of a group.
    """

    def __init__(self, inner: GroupedEnvs, units: int, group: int) -> None:
        seen, done = inner.observation_space, inner.action_space
        assert isinstance(seen, spaces.Box)
        assert isinstance(done, spaces.Box)
        self._inner, self._units, self._shape = inner, units, (inner.num_envs // group, group, units)
        features, actions = seen.shape[0] // units, done.shape[0] // units
        own = spaces.Box(seen.low[:features], seen.high[:features], dtype=np.float32)
        super().__init__(inner.num_envs * units, own, spaces.Box(done.low[:actions], done.high[:actions], dtype=np.float32))
        self._infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]  # of a step in which no day ends

    @property
    def envs(self) -> list[Any]:
        """The environments that are taken apart."""
        return self._inner.envs

    def _apart(self, whole: NDArray[Any]) -> NDArray[Any]:
        """What environments have side by side, (n, units x any), as rows of units in their order, (n x units, any)."""
        parts = whole.reshape(*self._shape, -1)
        return parts.swapaxes(1, 2).reshape(self.num_envs, -1)

    def place(self) -> dict[str, Any]:
        """See `GroupedEnvs.place`."""
        return self._inner.place()

    def go_to(self, place: Mapping[str, Any], observations: NDArray[Any]) -> None:
        """See `GroupedEnvs.go_to`."""
        self._inner.go_to(place, self.joined(observations))

    def joined(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of units as environments have them side by side."""
        groups, group, units = self._shape
        return rows.reshape(groups, units, group, -1).swapaxes(1, 2).reshape(groups * group, -1)

    def reset(self) -> NDArray[Any]:
        """See `VecEnv.reset`."""
        seen = self._inner.reset()
        assert isinstance(seen, np.ndarray)
        return self._apart(seen)

    def step_async(self, actions: NDArray[Any]) -> None:
        """See `VecEnv.step_async`."""
        self._inner.step_async(self.joined(actions))

    def step_wait(self) -> VecEnvStepReturn:
        """See `VecEnv.step_wait`. Raises `PolicyError` if the environment does not tell what each unit gained."""
        seen, _, over, infos = self._inner.step_wait()
        assert isinstance(seen, np.ndarray)
        if REWARDS not in infos[0]:
            raise PolicyError(f"each unit can learn by itself only where a step tells the {REWARDS}: set each=false")
        gained = self._apart(np.array([info[REWARDS] for info in infos], np.float32))[:, 0]
        return self._apart(seen), gained, self._apart(np.repeat(over, self._units))[:, 0], self._told(infos, over)

    def _told(self, infos: Sequence[dict[str, Any]], over: NDArray[np.bool_]) -> list[dict[str, Any]]:
        """The infos of units: the return of a day, of the whole environment, is told once, by its first unit."""
        if not over.any():
            return self._infos
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        firsts = self._apart(np.repeat(np.arange(len(infos)), self._units))[:, 0]
        for number, info in enumerate(infos):
            if over[number] and "episode" in info:
                told[int(np.flatnonzero(firsts == number)[0])]["episode"] = info["episode"]
        return told

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """See `VecEnv.seed`."""
        return self._inner.seed(seed)

    def close(self) -> None:
        """See `VecEnv.close`."""
        self._inner.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """See `VecEnv.get_attr`: an attribute of its environment for each unit."""
        return [self._inner.get_attr(attr_name, number)[0] for number in self._numbers(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """See `VecEnv.set_attr`."""
        self._inner.set_attr(attr_name, value, sorted(set(self._numbers(indices))))

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """See `VecEnv.env_method`: what its environment returns for each unit, each being called once."""
        numbers = self._numbers(indices)
        once = sorted(set(numbers))
        found = dict(zip(once, self._inner.env_method(method_name, *method_args, indices=once, **method_kwargs), strict=True))
        return [found[number] for number in numbers]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """See `VecEnv.env_is_wrapped`."""
        return [self._inner.env_is_wrapped(wrapper_class, number)[0] for number in self._numbers(indices)]

    def _numbers(self, indices: Any) -> list[int]:
        """The environments of some units, or of all."""
        of = self._apart(np.repeat(np.arange(self._inner.num_envs), self._units))[:, 0]
        return [int(of[place]) for place in self._get_indices(indices)]
