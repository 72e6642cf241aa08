"""Vector environments: many markets in one step, for `gymnasium.make_vec`.

They stand apart from the single ones, which make do with an older Gymnasium, as programs of others do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ..simulator.core.errors import MarketError
from ..simulator.core.numeric import whole
from ..simulator.core.threads import processors
from .auction import AuctionEnv
from .base import SeatEnv
from .bidding import BiddingEnv
from .compute import ComputeEnv
from .market import MarketEnv
from .pacing import PacingEnv
from .parts import VectorInParts
from .ranking import RankingEnv
from .shell import counted


class SeatVectorEnv(SyncVectorEnv):
    """`num_envs` environments, each a `single`, whose worlds move on together; see `Together`.

    Transitions, infos and autoreset are those of `gymnasium.vector.SyncVectorEnv`, to the last bit, whatever `threads`.

    Args:
        num_envs: how many, from 1 up.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", or the `AutoresetMode`.
        threads: how many play the worlds, of each process; None: as many as there are processors for one.
        processes: how many have a part of the environments each; more than one are a `VectorInParts`.
        settings: arguments of each environment.
    """

    single: ClassVar[type[SeatEnv]]

    def __new__(cls, num_envs: int = 1, *arguments: Any, processes: int = 1, **named: Any) -> Any:
        """Itself, or, in several processes, what has one of these in each."""
        count, parts = whole(num_envs), whole(processes)
        if parts is None or not 1 <= parts <= max(count or 1, 1):
            raise MarketError(f"processes are a whole number from 1 to that of environments, not {processes!r}")
        if parts == 1 or count is None:
            return super().__new__(cls)
        if len(arguments) < 2 and named.get("threads") is None:
            named["threads"] = max(processors() // parts, 1)
        return VectorInParts(partial(_of, cls, arguments, named), count, parts)

    def __init__(
        self, num_envs: int = 1, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, threads: int | None = None, *,
        processes: int = 1, **settings: Any,
    ) -> None:  # fmt: skip
        count = whole(num_envs)
        if count is None or count < 1:
            raise MarketError(f"num_envs is a whole number from 1 up, not {num_envs!r}")
        modes = {mode.value for mode in AutoresetMode}
        if not isinstance(autoreset_mode, AutoresetMode) and autoreset_mode not in modes:
            raise MarketError(f"the autoreset_mode is one of {', '.join(sorted(modes))}, not {autoreset_mode!r}")
        if "max_episode_steps" in settings:
            raise MarketError("an episode ends with its day; for a limit of one's own use vectorization_mode='sync'")
        first = self.single(**settings)
        if "scenario" in settings:
            settings["scenario"] = first.scenario  # read once
        made = [first] + [self.single(**settings) for _ in range(count - 1)]
        super().__init__([lambda env=env: env for env in made], copy=True, autoreset_mode=autoreset_mode)  # type: ignore[misc]
        if (together := self.single.together(made, threads)) is None:
            raise MarketError(f"{self.single.__name__} has a step of its own: use vectorization_mode='sync'")
        self._together = together

    def step(self, actions: Any) -> Any:
        """See `SyncVectorEnv.step`. Raises `PolicyError`, before anything is played, if there are more or fewer actions."""
        counted(actions, self.num_envs)
        resetting = self._autoreset_envs if self.autoreset_mode is AutoresetMode.NEXT_STEP else [False] * self.num_envs
        self._together.advance(actions, [n for n in range(self.num_envs) if not resetting[n]])
        return super().step(actions)

    def _add_info(self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int) -> dict[str, Any]:
        """As gymnasium's, but for numbers that others have told before without the arrays it makes and throws away."""
        for key, value in env_info.items():
            if type(value) in (int, float) and key in vector_infos:
                vector_infos[key][env_num], vector_infos[f"_{key}"][env_num] = value, True
            else:
                super()._add_info(vector_infos, {key: value}, env_num)
        return vector_infos

    def close_extras(self, **more: Any) -> None:
        """Lets threads and windows go."""
        super().close_extras(**more)
        if hasattr(self, "_together"):
            self._together.close()


def _of(kind: type[SeatVectorEnv], arguments: Sequence[Any], named: Mapping[str, Any], count: int) -> SeatVectorEnv:
    """A vector of so many environments, in one process."""
    return kind(count, *arguments, **named)


class ComputeVectorEnv(SeatVectorEnv):
    """`AdArena/Compute-v0` many times."""

    single = ComputeEnv


class BiddingVectorEnv(SeatVectorEnv):
    """`AdArena/Bidding-v0` many times; what `gymnasium.make_vec` makes."""

    single = BiddingEnv


class PacingVectorEnv(SeatVectorEnv):
    """`AdArena/Pacing-v0` many times."""

    single = PacingEnv


class MarketVectorEnv(SeatVectorEnv):
    """`AdArena/Market-v0` many times."""

    single = MarketEnv


class AuctionVectorEnv(SeatVectorEnv):
    """`AdArena/Auction-v0` many times."""

    single = AuctionEnv


class RankingVectorEnv(SeatVectorEnv):
    """`AdArena/Ranking-v0` many times."""

    single = RankingEnv
