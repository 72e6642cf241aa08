"""What a seat is: the place of one kind of decision in a market, what its holders see, and what they may decide.

A seat has units, such as campaigns, each decided for by one policy; a policy holds one unit or many. Whoever holds nothing is
not asked: the market decides for itself as the scenario says. A seat left open stops the world, and whoever runs the world
decides (`World.until_asked` and `World.answer`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar
from zlib import crc32

import numpy as np

from ..core.chance import Stream, generator
from ..core.errors import PolicyError
from ..scenario.tree import Scenario

if TYPE_CHECKING:
    from ..books.ledger import Ledger
    from ..engine.exchange import Exchange

V = TypeVar("V")  # what is seen
D = TypeVar("D")  # what is decided


class Cadence(Enum):
    """When a seat is asked. How long a decision lasts is another matter: it may be a rule that is asked request by request."""

    TICK = "tick"  # as a tick opens
    INTERVAL = "interval"  # every `Seat.every_us`, whatever ticks do


class Moment(NamedTuple):
    """When a seat is asked. With `tick == ticks` the day is over: nobody is asked, but a learner may look."""

    day: int
    tick: int  # of the day
    ticks: int  # of a day
    now_us: int


class Policy(Generic[V, D]):
    """Decides in one seat. One object holds one or more units of one world at a time, all arrays over those it holds."""

    seat: str  # the name of that seat, as a rule of the whole class
    _sits_in = 0  # the number of the roster that started it last

    def start(self, view: V, dice: np.random.Generator) -> None:
        """Called once before the first decision of a run: forget earlier runs. `dice` are this policy's own."""

    def decide(self, view: V) -> D | None:
        """Called whenever the seat is asked; None keeps the last decision."""
        raise PolicyError(f"{type(self).__name__} does not say what it decides")


class Open(Policy[Any, Any]):
    """Leaves units open, in whatever seat: the world stops where they must be decided for. See `World.until_asked`."""


class Holding:
    """A policy's place in a seat: the units it holds, and whatever the seat keeps of them for it."""

    def __init__(self, policy: Policy[Any, Any], held: list[int]) -> None:
        self.policy, self.held, self.name = policy, np.array(held), type(policy).__name__
        self.is_open = isinstance(policy, Open)


H = TypeVar("H", bound=Holding)


class Seat(ABC, Generic[V, D, H]):
    """One seat of one world. `Roster` knows who sits in it; a seat knows what they see and what becomes of their decisions."""

    name: ClassVar[str]  # as in `World(policies={name: ...})` and of the folders that are about it
    unit: ClassVar[str]  # what is decided for, in words: "campaign"
    policy: ClassVar[type[Policy[Any, Any]]]  # the base of those who sit in it
    cadence: ClassVar[Cadence] = Cadence.TICK
    every_us: int = 0  # of `Cadence.INTERVAL`
    units: tuple[str, ...]  # their names

    @staticmethod
    @abstractmethod
    def missing(scenario: Scenario) -> str | None:
        """What a scenario lacks to have this seat, such as "a funnel"; None: it has it."""

    @abstractmethod
    def __init__(self, exchange: Exchange, ledger: Ledger) -> None: ...

    def place(self, unit: int | str) -> int | None:
        """The place of a unit given by name or place; None if there is none."""
        if isinstance(unit, str):
            return self.units.index(unit) if unit in self.units else None
        whole = isinstance(unit, int | np.integer) and not isinstance(unit, bool)
        return int(unit) if whole and 0 <= unit < len(self.units) else None

    def dice(self, seed: int, number: int) -> np.random.Generator:
        """The dice of the policy of a number, in a world of a seed."""
        return generator(seed, Stream.POLICY, crc32(self.name.encode()), number)

    @abstractmethod
    def holding(self, policy: Policy[V, D], held: list[int]) -> H:
        """Makes place for a policy: once, before it is asked."""

    @abstractmethod
    def view(self, holding: H, moment: Moment) -> V:
        """What its holder sees now, in arrays of its own; nothing of the truth, nothing of the future."""

    @abstractmethod
    def check(self, holding: H, decision: Any) -> D:
        """The decision in canonical form. Raises `PolicyError`, in one sentence, if it is not allowed."""

    @abstractmethod
    def apply(self, holding: H, decision: D) -> None:
        """Puts a checked decision into the exchange."""

    def close(self, changed: bool) -> None:
        """Called when all holders have been asked, whether one has decided anew or not: what decisions need together."""


Policies = Policy[Any, Any] | Mapping[int | str, Policy[Any, Any]]
