"""What a seat is: the place of one kind of decision in a market, what its holders see, and what they may decide.

A seat has units, such as campaigns, each decided for by one policy; a policy holds one unit or many. Whoever holds nothing is
not asked: the market decides for itself as the scenario says. A seat left open stops the world, and whoever runs the world
decides (`World.until_asked` and `World.answer`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar
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
    # Whether it decides for each unit from what is seen of that unit and of the whole market alone, without dice. It may then
    # hold units of several worlds of one scenario as if they were one world's, which saves what asking costs (`Joint`). Each
    # class says so of itself: what is derived from it may not.
    by_unit: ClassVar[bool] = False
    # Whether it is asked at the first tick of a day alone, for all of it, in a seat that is asked at each. Likewise.
    by_day: ClassVar[bool] = False
    _sits_in = 0  # the number of the roster that started it last

    def start(self, view: V, dice: np.random.Generator) -> None:
        """Called once before the first decision of a run: forget earlier runs. `dice` are this policy's own."""

    def decide(self, view: V) -> D | None:
        """Called whenever the seat is asked; None keeps the last decision."""
        raise PolicyError(f"{type(self).__name__} does not say what it decides")


class Open(Policy[Any, Any]):
    """Leaves units open, in whatever seat: the world stops where they must be decided for. See `World.until_asked`.

    `each="request"`: at each request that concerns them, in a seat where that can be; "call": whenever the seat is asked;
    "day": at the first tick of each day, for all of it.
    """

    def __init__(self, each: Literal["call", "day", "request"] = "call") -> None:
        if each not in ("call", "day", "request"):
            raise PolicyError(f'a seat is left open for each "call" or for each "request" or "day", not for each {each!r}')
        self.each = each


class Elsewhere(Open):
    """Leaves units to whoever runs several worlds together, and asks a policy for those of all of them; see `Joint`.

    That policy may be an `Open` one: then whoever runs the worlds decides, seeing the units of all in one view.
    """

    def __init__(self, policy: Policy[Any, Any]) -> None:
        super().__init__()
        self.policy = policy


def _says(policy: Policy[Any, Any], what: str) -> bool:
    """Whether the class of a policy says that of itself; what it is derived from does not speak for it."""
    return bool(vars(type(policy)).get(what))


class Holding:
    """A policy's place in a seat: the units it holds, and whatever the seat keeps of them for it."""

    def __init__(self, policy: Policy[Any, Any], held: list[int]) -> None:
        self.policy, self.held = policy, np.array(held)
        self.name = type(policy.policy if isinstance(policy, Elsewhere) else policy).__name__
        self.by_request = isinstance(policy, Open) and policy.each == "request"  # left open for each
        self.by_day = policy.each == "day" if isinstance(policy, Open) else _says(policy, "by_day")
        self.is_open, self.is_elsewhere = isinstance(policy, Open) and not self.by_request, isinstance(policy, Elsewhere)
        # Whether whoever runs the world decides, or several worlds together.
        self.waits_for_learner = isinstance(policy.policy if isinstance(policy, Elsewhere) else policy, Open)


H = TypeVar("H", bound=Holding)


class Joint(ABC, Generic[V, D]):
    """Units of several worlds of one scenario at the same tick, which one policy holds: those of one world after another."""

    @abstractmethod
    def __init__(self, parts: Sequence[tuple[Any, Any]]) -> None:
        """`parts`: the seat of each world and its holding."""

    @abstractmethod
    def view(self, moment: Moment) -> V:
        """What the policy sees; see `Seat.view`."""

    @abstractmethod
    def checked(self, decision: Any) -> list[D]:
        """A decision for all units as one for each world; see `Seat.check`."""


class Seat(ABC, Generic[V, D, H]):
    """One seat of one world. `Roster` knows who sits in it; a seat knows what they see and what becomes of their decisions."""

    name: ClassVar[str]  # as in `World(policies={name: ...})` and of the folders that are about it
    unit: ClassVar[str]  # what is decided for, in words: "campaign"
    policy: ClassVar[type[Policy[Any, Any]]]  # the base of those who sit in it
    cadence: ClassVar[Cadence] = Cadence.TICK
    every_us: int = 0  # of `Cadence.INTERVAL`
    units: tuple[str, ...]  # their names
    excludes: ClassVar[tuple[str, ...]] = ()  # seats that decide on the same, and cannot be held in the same world
    # How holdings of several worlds are one; None: they cannot be, and no policy of this seat decides `by_unit`.
    joint: ClassVar[type[Joint[Any, Any]] | None] = None

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

    def views(self, holdings: Sequence[H], moment: Moment) -> list[V | None]:
        """What each holder sees; nobody is there to see for units that are decided for elsewhere."""
        return [None if holding.is_elsewhere else self.view(holding, moment) for holding in holdings]

    def close(self, changed: bool) -> None:
        """Called when all holders have been asked, whether one has decided anew or not: what decisions need together."""


class RequestSeat(Seat[V, D, H]):
    """A seat that may be left open for each request, at which the market then stops."""

    @abstractmethod
    def leave_open(self, holding: H) -> None:
        """From now on, whoever runs the world decides on each request of the units of this holding."""

    @abstractmethod
    def asked_unit(self) -> int | None:
        """The unit of the request at which the market has stopped; None if it is another seat that is asked there."""

    @abstractmethod
    def show(self) -> Any:
        """What is seen of that request, in arrays of its own."""

    @abstractmethod
    def check_answer(self, holding: H, decision: Any) -> Any:
        """A decision on one request in canonical form. Raises `PolicyError` if it is not allowed."""

    @abstractmethod
    def answer(self, checked: Any) -> None:
        """Puts a checked decision on that request into the exchange."""


Policies = Policy[Any, Any] | Mapping[int | str, Policy[Any, Any]]


def elsewhere(given: Policies) -> Policies:
    """The same units, those of policies that decide `by_unit` and open ones being left to whoever runs several worlds."""
    if not isinstance(given, Mapping):
        return _left(given)
    left: dict[int, Policy[Any, Any]] = {}
    for policy in given.values():
        if id(policy) not in left:
            left[id(policy)] = _left(policy)
    return {unit: left[id(policy)] for unit, policy in given.items()}


def _left(policy: Policy[Any, Any]) -> Policy[Any, Any]:
    can = policy.each == "call" if type(policy) is Open else _says(policy, "by_unit")
    return Elsewhere(policy) if can else policy
