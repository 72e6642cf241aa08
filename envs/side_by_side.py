"""Environments of lives many times, natively: users or ads side by side in lanes; what `gymnasium.make_vec` makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ..simulator.core.errors import MarketError
from ..simulator.core.numeric import whole
from .allocation import AllocationEnv
from .allocation import rules as page_rules
from .creative import CreativeEnv, ad_rules
from .given import DAYS, range_of
from .lane_env import LaneEnv, Rules, seeds


class LanesVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` lives at once, of one world after another: a lane in which one ends is taken by the next.

    An episode in a lane is what the single environment plays with the options that its info names, to the last bit. `reset`
    takes one seed for all lanes, and no options.

    Args:
        num_envs: how many, from 1 up.
        autoreset_mode: "SameStep": after the last step of a life the next one's first is observed, and the last observation is
            in `infos["final_obs"]`; "NextStep": that happens a step later, whose actions for such lanes do not count.
            "Disabled" is refused: lanes are always taken.
        settings: arguments of the environment; see `single`.
    """

    metadata: dict[str, Any]
    single: ClassVar[type[LaneEnv]]
    brings: ClassVar[tuple[str, ...]]  # names in an info of what a step brings
    them: ClassVar[str]  # who lives there, in words

    def __init__(
        self, rules: Rules, num_envs: Any, autoreset_mode: str | AutoresetMode, days: Any, render_mode: str | None
    ) -> None:
        count = whole(num_envs)
        if count is None or count < 1:
            raise MarketError(f"num_envs is a whole number from 1 up, not {num_envs!r}")
        try:
            mode = AutoresetMode(autoreset_mode)
        except ValueError:
            mode = AutoresetMode.DISABLED
        if mode is AutoresetMode.DISABLED:
            raise MarketError(f"the autoreset_mode is one of NextStep, SameStep, not {autoreset_mode!r}")
        if render_mode is not None:
            whose = self.single.options[1]
            raise MarketError(f"many {self.them} at once are not drawn: make one environment to look at one {whose}")
        self.num_envs, self.mode, self.render_mode = count, mode, None
        self.days, self.rules = range_of(days), rules
        self.single_action_space, self.single_observation_space = self.rules.action_space, self.rules.observation_space
        self.action_space = batch_space(self.single_action_space, count)
        self.observation_space = batch_space(self.single_observation_space, count)
        self.metadata = {**self.single.metadata, "autoreset_mode": mode}
        self.lanes = self.rules.lanes(count)
        self._begun = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """New ones for all lanes. Raises `MarketError` for anything but one seed, or for options."""
        given = None if seed is None else whole(seed)
        if seed is not None and (given is None or given < 0):
            raise MarketError(f"{self.them} side by side have one seed, a whole number from 0 up, not {seed!r}")
        if options:
            raise MarketError(f"{self.them} side by side follow each other: there is no option {next(iter(options))!r}")
        if given is not None or not self._begun:
            self._np_random, self._np_random_seed = seeding.np_random(given)
        self.lanes.begin(seeds(self.np_random, self.days))
        self._begun, self._over = True, np.zeros(self.num_envs, np.bool_)
        self._shown = self.lanes.shown.copy()
        return self.rules.observe(self._shown), self._info()

    def step(self, actions: Any) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Any]:
        """A step in each lane. Raises `PolicyError` for actions outside the space."""
        if not self._begun:
            raise MarketError(f"no {self.them} are under way: call reset")
        choices = self.rules.choices(self._shown, actions)
        waits = self._over if self.mode is AutoresetMode.NEXT_STEP else np.zeros(self.num_envs, np.bool_)
        turn = self.lanes.step(choices, ~waits)
        before, self._shown = self._shown, self.lanes.shown.copy()
        self._over = turn.over.copy()
        info, own = self._info(), dict(zip(self.single.options, (turn.day, turn.whose), strict=True))
        if self.mode is AutoresetMode.NEXT_STEP:  # whose step it was, or, where that was a reset, whose is next
            info.update({name: np.where(waits, info[name], whose) for name, whose in own.items()})
        for name, brought in zip(self.brings, turn.brought.T, strict=True):
            info[name], info[f"_{name}"] = brought, ~waits
        observed = self.rules.observe(self._shown)
        if turn.over.any():
            last = self.rules.observe(before[turn.over])
            if self.mode is AutoresetMode.NEXT_STEP:
                observed[turn.over] = last
            else:
                info["final_obs"], info["_final_obs"] = np.full(self.num_envs, None, object), turn.over.copy()
                last_info = {
                    key: value for name, whose in own.items() for key, value in ((name, whose), (f"_{name}", turn.over))
                }
                info["final_info"], info["_final_info"] = last_info, turn.over.copy()
                for lane, row in zip(np.flatnonzero(turn.over), last, strict=True):
                    info["final_obs"][lane] = row
        return observed, self.rules.worth(turn), turn.over, np.zeros(self.num_envs, np.bool_), info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions may be taken, or there is a point in, (num_envs, actions)."""
        return self.rules.masks(self._shown)

    def _info(self) -> dict[str, Any]:
        """Whose steps are to be decided on."""
        everybody = np.ones(self.num_envs, np.bool_)
        found: dict[str, Any] = {}
        for name, whose in zip(self.single.options, (self.lanes.seeds, self.lanes.whose), strict=True):
            found[name], found[f"_{name}"] = whose, everybody
        return found


class AllocationVectorEnv(LanesVectorEnv):
    """`AdArena/Allocation-v0` many times: users side by side; see `AllocationEnv` for the settings."""

    single, brings, them = AllocationEnv, ("revenue", "content", "charged"), "users"

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, *,
        scenario: Any = "allocation-small", action: str = "price", reward: str = "expected", days: tuple[int, int] = DAYS,
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(page_rules(scenario, action, reward), num_envs, autoreset_mode, days, render_mode)


class CreativeVectorEnv(LanesVectorEnv):
    """`AdArena/Creative-v0` many times: ads side by side; see `CreativeEnv` for the settings."""

    single, brings, them = CreativeEnv, ("clicked", "reported", "expected"), "ads"

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, *,
        scenario: Any = "creative-small", action: str = "scores", reward: str = "clicks", days: tuple[int, int] = DAYS,
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(ad_rules(scenario, action, reward), num_envs, autoreset_mode, days, render_mode)
