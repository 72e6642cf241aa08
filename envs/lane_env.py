"""What environments share whose episodes are lives in lanes: of a user, or of an ad; one at a time, or many side by side."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats, Integers
from ..simulator.core.errors import MarketError
from ..simulator.core.numeric import whole
from ..simulator.scenario.tree import Scenario
from .given import LAST_DAY, options_of, range_of, seed_of
from .lanes import Lanes, Turn
from .shell import Shell, bounded


class Rules(Protocol):
    """How what is shown in lanes becomes observations, actions choices, and what they bring a reward; for one and for many."""

    @property
    def scenario(self) -> Scenario:
        """The market."""

    @property
    def lives(self) -> int:
        """Lives in a world."""

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of one lane."""

    @property
    def observation_space(self) -> spaces.Box:
        """Of one lane."""

    def lanes(self, count: int) -> Lanes[Any]:
        """So many empty ones."""

    def observe(self, shown: Floats) -> NDArray[np.float32]:
        """The observations, (n, features), of what is shown, (n, W)."""

    def choices(self, shown: Floats, actions: Any) -> Integers:
        """The numbers of what actions stand for, (n,). Raises `PolicyError` for other actions."""

    def worth(self, turn: Turn) -> Floats:
        """The rewards of a step, (n,)."""

    def masks(self, shown: Floats) -> NDArray[np.bool_]:
        """Which actions may be taken, or there is a point in, (n, actions)."""


def seeds(dice: np.random.Generator, days: tuple[int, int]) -> Iterator[int]:
    """Seeds of worlds from a range, without end."""
    while True:
        yield int(dice.integers(*days))


class Many:
    """Lives side by side, as `agents.learning.lanes` asks for them."""

    def __init__(self, rules: Rules, lanes: int, days: tuple[int, int]) -> None:
        self._rules, self._lanes, self._days = rules, rules.lanes(lanes), days

    def _observed(self) -> NDArray[np.float32]:
        self._shown = self._lanes.shown.copy()
        return self._rules.observe(self._shown)

    def begin(self, dice: np.random.Generator) -> NDArray[np.float32]:
        """New ones in all lanes."""
        self._lanes.begin(seeds(dice, self._days))
        return self._observed()

    def move(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """A step in each lane."""
        return self.move_by(self._rules.choices(self._shown, actions))

    def move_by(
        self, choices: Integers
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """A step in each lane, these being chosen, (n,)."""
        turn = self._lanes.step(choices)
        last = self._rules.observe(self._shown[turn.over])
        return self._observed(), self._rules.worth(turn).astype(np.float32), turn.over, last

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Where all lanes are."""
        return self._lanes.snapshot()

    def restore(self, kept: Mapping[str, NDArray[Any]], dice: np.random.Generator) -> NDArray[np.float32]:
        """Brings all lanes to where they were."""
        self._lanes.restore(kept, seeds(dice, self._days))
        return self._observed()


class LaneEnv(Shell[NDArray[np.float32], Any]):
    """One life at a time. A subclass names its seat, whose lives they are, and says what there is to tell of a step."""

    seat: ClassVar[str]
    suite: ClassVar[str] = ""  # in which its agents are compared, if that is not the seat's own
    options: ClassVar[tuple[str, str]]  # the seed of a world, and whose life: "day" and, say, "user"
    does: ClassVar[str]  # what whoever has no step does not do: "makes no page"

    def __init__(self, rules: Rules, days: Any, render_mode: Literal["human", "rgb_array", "ansi"] | None) -> None:
        super().__init__(render_mode)
        self.days, self._rules = range_of(days), rules
        self.scenario = rules.scenario
        self.action_space: spaces.Space[Any] = rules.action_space
        self.observation_space: spaces.Space[Any] = rules.observation_space
        self._lanes: Lanes[Any] | None = None
        self._begun = False  # whether an episode is under way

    @abstractmethod
    def begun(self) -> dict[str, Any]:
        """Notes that an episode begins; the first info."""

    @abstractmethod
    def told(self, shown: Floats, choice: int, turn: Turn) -> dict[str, Any]:
        """Takes note of a step from what was `shown`, (W,); its info."""

    def side_by_side(self, lanes: int) -> Many:
        """So many lives at once, for who trains."""
        return Many(self._rules, lanes, self.days)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins an episode; see *Reset options*. Raises `MarketError` for options that are not allowed."""
        super().reset(seed=seed_of(seed))
        day, whose = self._asked_for(options)
        if self._lanes is None or seed is not None or day is not None or whose is not None or self._begun:
            self._begin(day, whose)
        assert self._lanes is not None
        self._begun = True
        observation = self._rules.observe(self._lanes.shown)[0]
        self._whose = int(self._lanes.whose[0]), int(self._lanes.seeds[0])
        info = self.begun()
        self.show()
        return observation, info

    def _begin(self, day: int | None, whose: int | None) -> None:
        lanes, count = self._rules.lanes(1), self._rules.lives
        drawn = seeds(self.np_random, self.days)
        first = int(self.np_random.integers(count)) if whose is None else whose
        lanes.begin(drawn if day is None else itertools.chain([day], drawn), first, count if whose is None else whose + 1)
        if whose is not None and lanes.whose[0] != whose:
            world = f"the world of day {lanes.seeds[0] if day is None else day}"
            raise MarketError(f"{self.options[1]} {whose} {self.does} in {world}")
        self._lanes = lanes

    def _asked_for(self, options: Any) -> tuple[int | None, int | None]:
        given = options_of(options, self.options)
        found: list[int | None] = []
        for name, end in zip(self.options, (LAST_DAY, self._rules.lives), strict=True):
            number = whole(given[name]) if name in given else None
            if name in given and (number is None or not 0 <= number < end):
                raise MarketError(f"the {name} is a whole number from 0 to {end - 1:,}, not {given[name]!r}")
            found.append(number)
        return found[0], found[1]

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Decides, and plays until the next decision. Raises `PolicyError` for an action outside the space."""
        if not self._begun or self._lanes is None:
            raise MarketError(f"no {self.options[1]} is under way: it is over, or has not begun; call reset")
        lanes, before = self._lanes, self._lanes.shown.copy()
        kind = self.action_space
        alone: Any = [action]
        if isinstance(kind, spaces.Box):
            alone = bounded(action, kind.shape)[None]
        elif not isinstance(kind, spaces.Discrete):
            alone = np.asarray(action)[None]
        choices = self._rules.choices(before, alone)
        turn = lanes.step(choices)
        over = bool(turn.over[0])
        self._begun = not over
        observation = self._rules.observe(before if over else lanes.shown)[0]
        info = self.told(before[0], int(choices[0]), turn)
        self.show()
        return observation, float(self._rules.worth(turn)[0]), over, False, info

    @property
    def is_under_way(self) -> bool:
        """See `Shell.is_under_way`."""
        return self._lanes is not None

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions may be taken, or there is a point in, as MaskablePPO of `sb3_contrib` asks."""
        if self._lanes is None:
            raise MarketError("there is nothing to decide before the first reset")
        there_is: NDArray[np.bool_] = self._rules.masks(self._lanes.shown)[0]
        return there_is
