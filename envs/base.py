"""What every environment shares: a world in which one seat is left open, and a learner that answers for it.

The world stops wherever the open seat must be decided, after everybody else has; what the agent then does holds until it is
asked again. An environment says which seat, what days it draws, and what a step is worth; see `envs.bidding` for one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats
from ..simulator.core.errors import MarketError
from ..simulator.core.numeric import whole
from ..simulator.scenario.tree import Scenario
from ..simulator.seats import SEATS
from ..simulator.seats.seat import Policies, elsewhere
from ..simulator.seats.vectors import Vectors
from ..simulator.world import World
from .given import LAST_DAY, options_of, range_of, seed_of
from .shell import Shell, bounded, scenario_of
from .together import Together

Observation = NDArray[np.float32]
Info = dict[str, Any]


class Case(NamedTuple):
    """An episode: its day, and who sits where; `Open` where the agent decides."""

    day: int  # seed of the world
    policies: Mapping[str, Policies]
    options: Mapping[str, Any]  # all of them, drawn or given


class SeatEnv(Shell[Observation, Observation]):
    """A market in which an agent decides for the open units of one seat.

    A subclass names its `seat` and the `vectors` through which the agent sees and acts, draws a `case` for each episode, looks
    at the world as it `begin`s, and says after each step what that was worth (`judge`).
    """

    seat: ClassVar[str]
    options: ClassVar[tuple[str, ...]]  # names of what `reset` takes
    whole_runs: ClassVar[bool] = False  # an episode is all days of a scenario, and not one
    suite: ClassVar[str] = ""  # in which its agents are compared, if that is not the seat's own

    def __init__(
        self,
        scenario: Scenario | str | Mapping[str, Any],
        days: tuple[int, int],
        engine: Literal["compiled", "events"],
        render_mode: Literal["human", "rgb_array", "ansi"] | None = None,
        units: int = 1,
    ) -> None:
        super().__init__(render_mode)
        self.days, self.engine = range_of(days), engine
        if engine not in ("compiled", "events"):
            raise MarketError(f"there is no engine {engine!r}; known are compiled and events")
        self.scenario = scenario_of(scenario)
        if self.scenario.days != 1 and not self.whole_runs:
            raise MarketError(f"an episode is one day, and scenario {self.scenario.name!r} has {self.scenario.days}")
        kind = self.vectors
        self.action_space = spaces.Box(-1.0, 1.0, (units * kind.actions,), np.float32)
        self.observation_space = spaces.Box(-kind.bound, kind.bound, (units * len(kind.features),), np.float32)
        self.looks: Mapping[str, Any] = {}  # of its settings, those by which `vectors_for` goes
        self._world: World | None = None  # None: no episode is under way
        self._moved = False  # by `moved`, and no `step` has told of it yet
        self.company: Together | None = None  # with whose worlds its own moves on, and its rivals are asked

    @classmethod
    def vectors_for(cls, settings: Mapping[str, Any]) -> Vectors:
        """How an environment made with such settings looks to its agent."""
        made: Vectors = cls.vectors()
        return made

    def new_vectors(self) -> Vectors:
        """How it looks to its agent, for a day that begins."""
        return self.vectors_for(self.looks)

    @abstractmethod
    def case(self, options: Mapping[str, Any]) -> Case:
        """The next episode: what `options` say, the rest drawn from `np_random`. Raises `MarketError` where they are wrong."""

    def prepare(self, case: Case, world: World) -> None:
        """Changes a new world for its case, before anything happens in it."""

    @abstractmethod
    def begin(self, case: Case, world: World, view: Any) -> Info:
        """Notes what a new episode is measured by, before the agent has acted; the first info."""

    @abstractmethod
    def judge(self, world: World) -> tuple[float, Info]:
        """What the step that has ended was worth, by the books of the market, and what else there is to say of it."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Begins an episode; see *Reset options*. Raises `MarketError` for options that are not allowed."""
        super().reset(seed=seed_of(seed))
        case = self.case(self._checked(options))
        self._world = None  # until the episode has begun
        self._moved = False
        world = World(self.scenario, self._seated(case.policies), seed=case.day, engine=self.engine)
        self.prepare(case, world)
        self._vectors = self.new_vectors()
        observation = self.see(world)
        info = self.begin(case, world, self._view)
        self._world = world
        self.show()
        return observation, info

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, Info]:
        """Decides, and plays until the seat must be decided again. Raises `PolicyError` for an action outside the space."""
        if self.company is None:
            self.check_ready()
            world = self.act(bounded(action, self.action_space.shape or ()))
            observation = self.see(world)
        else:
            if not self._moved:
                self.company.advance_one(self, action)
            world, observation = self.world, self._observation
        self._world, self._moved = None, False  # until the step is whole
        reward, info = self.judge(world)
        self._world = world
        self.show()
        return observation, reward, self._over(world), False, info

    def check_ready(self) -> None:
        """Raises `MarketError` unless there is something to decide."""
        if self._world is None or self._over(self._world) or self._moved:
            raise MarketError("no day is under way: it is over, has not begun, or was interrupted; call reset")

    def act(self, action: Floats) -> World:
        """The first half of a step: decides. The second is to let the world move on, here or together with others."""
        world, self._world = self.world, None  # a step that is interrupted cannot be taken up again
        if self.company is not None:
            world.until_asked()
        world.answer(self._vectors.decide(self._view, action.reshape(-1, self.vectors.actions)))
        return world

    def see(self, world: World) -> Observation:
        """Lets the world move on up to the next decision, if it has not; what the agent observes then."""
        if self.company is None:
            world.until_asked()
        else:
            world.until_round()
        self._view = world.look(self.seat)
        return self._vectors.observe(self._view).reshape(-1)

    def moved(self, world: World, observation: Observation) -> None:
        """Takes note that its world has moved on; `step`, called next, says what came of that."""
        self._world, self._observation, self._moved = world, observation, True

    @classmethod
    def together(cls, envs: Sequence[SeatEnv], threads: int | None = None) -> Together | None:
        """Has the worlds of environments move on together, from their next reset on; see `Together`.

        None: one of them takes its steps in a way of its own.
        """
        if any(type(env).step is not SeatEnv.step for env in envs):
            return None
        return Together(envs, threads)

    @property
    def is_under_way(self) -> bool:
        """Whether there is a day to look at: one has begun, and no step of it was interrupted."""
        return self._world is not None

    @property
    def world(self) -> World:
        """The market of the episode under way, truth and all: to look at, not to learn from."""
        if self._world is None:
            raise MarketError("no day is under way: it has not begun, or was interrupted; call reset")
        return self._world

    def is_in(self, world: World) -> bool:
        """Whether that is the market of its day, and the day is not over."""
        return self._world is world and not self._over(world)

    def _seated(self, policies: Mapping[str, Policies]) -> Mapping[str, Policies]:
        """Who sits where; policies that can hold units of several worlds are left to whoever runs those together."""
        if self.company is None or self.seat not in policies or SEATS[self.seat].joint is None:
            return policies
        return {**policies, self.seat: elsewhere(policies[self.seat])}

    def _over(self, world: World) -> bool:
        return world.now >= self.scenario.horizon_us

    def _checked(self, options: Any) -> Mapping[str, Any]:
        """The options of a reset, by names that are known."""
        given = options_of(options, self.options)
        if (day := whole(given.get("day", 0))) is None or not 0 <= day < LAST_DAY:
            raise MarketError(
                f"the day is a whole number from 0 to {LAST_DAY - 1:,}, the seed of a world, not {given['day']!r}"
            )
        return given
