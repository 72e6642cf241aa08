"""Who sits in a seat of a world: groups its units by policy, and asks, checks and applies, whatever the seat is about."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any, NamedTuple

import simpy

from ..books.ledger import Ledger
from ..core.clock import Clock
from ..core.errors import PolicyError, suggest
from ..engine.exchange import Exchange
from . import SEATS
from .seat import Holding, Moment, Open, Policies, Policy, RequestSeat, Seat

_numbers = itertools.count(1)  # of the rosters of all worlds


class Asked(NamedTuple):
    """An open seat that must be decided."""

    seat: str
    units: tuple[str, ...]  # those that are open, in the order of the view's rows
    view: Any  # of that seat


class OpenRound:
    """What an open seat is asked at a moment; it waits for an answer for each of `holdings`, in their order.

    `check` says what a decision of a holding is in canonical form; `asked` is None where that is decided for elsewhere.
    """

    def __init__(
        self, roster: Roster, moment: Moment, asked: list[Asked | None], holdings: list[Holding],
        check: list[Callable[[Any], Any]], over: simpy.Event,
    ) -> None:  # fmt: skip
        self.roster, self.moment, self.asked, self.holdings = roster, moment, asked, holdings
        self.check, self._over = check, over
        self.told: int | None = None  # the place that whoever runs the world was told of, and has not answered for
        self._answers: list[Any] = [None] * len(asked)
        self._missing = list(range(len(asked)))

    @property
    def next_open(self) -> int | None:
        """The first place that waits for whoever runs the world; None: only such as are decided for elsewhere."""
        return next((place for place in self._missing if self.asked[place] is not None), None)

    def tell(self) -> Asked | None:
        """What waits at the first such place, which is to be answered for next."""
        self.told = self.next_open
        return None if self.told is None else self.asked[self.told]

    def answer(self, place: int, checked: Any) -> bool:
        """Takes a checked decision, or None to keep the last one; returns whether that was the last that was waited for."""
        self._answers[place] = checked
        self._missing.remove(place)
        if place == self.told:
            self.told = None
        return not self._missing

    def close(self, clock: Clock) -> None:
        """Lets the world go on with the answers."""
        clock.fire(self._over, self._answers)


LeaveOpen = Callable[["Roster", Moment, list[Any]], Generator[simpy.Event, Any, list[Any]]]  # given views, waits for answers


class Roster:
    """The holders of one seat of one world; `seed` is that of the world, from which each policy gets dice of its own."""

    def __init__(self, seat: Seat[Any, Any, Any], given: Policies | None, seed: int) -> None:
        self.seat, self._seed, self._number = seat, seed, next(_numbers)
        self.has_begun = False  # whether a first round of decisions is over
        self.holdings: list[Holding] = [seat.holding(policy, held) for policy, held in _grouped(seat, given)]
        self.open_holdings = [holding for holding in self.holdings if holding.is_open]
        # Those left open are asked last, so that everybody else has decided when the world stops.
        self._seated = [n for n, h in enumerate(self.holdings) if not (h.is_open or h.by_request)]
        self._left_open = [n for n, holding in enumerate(self.holdings) if holding.is_open]
        self.open_by_request = [holding for holding in self.holdings if holding.by_request]

    def round(self, moment: Moment, leave_open: LeaveOpen) -> Generator[simpy.Event, Any, bool]:
        """One round of decisions: all see, then all decide, then all decisions are applied. Returns whether one is new.

        It waits for an event only where a unit is left open.
        """
        if not self.has_begun and isinstance(self.seat, RequestSeat):
            for holding in self.open_by_request:
                self.seat.leave_open(holding)
        due = [number for number, holding in enumerate(self.holdings) if _is_due(holding, moment)]
        views = dict(zip(due, self.seat.views([self.holdings[number] for number in due], moment), strict=True))
        decisions: list[Any] = [None] * len(self.holdings)
        for number in self._seated:
            if number not in views:
                continue
            holding, view = self.holdings[number], views[number]
            self._greet(holding, number, view)
            decision = holding.policy.decide(view)
            decisions[number] = None if decision is None else self.seat.check(holding, decision)
        if waiting := [number for number in self._left_open if number in views]:
            answers = yield from leave_open(self, moment, [views[number] for number in waiting])
            for number, decision in zip(waiting, answers, strict=True):
                decisions[number] = decision
        self.has_begun, changed = True, False
        for holding, decision in zip(self.holdings, decisions, strict=True):
            if decision is not None:
                self.seat.apply(holding, decision)
                changed = True
        self.seat.close(changed)
        return changed

    def opened(self, moment: Moment, views: list[Any], over: simpy.Event) -> OpenRound:
        """What those who left units open are asked in a round; `over` takes place when all have answered."""
        due, name, units = [h for h in self.open_holdings if _is_due(h, moment)], self.seat.name, self.seat.units
        found = zip(due, views, strict=True)
        asked = [None if h.is_elsewhere else Asked(name, tuple(units[k] for k in h.held), view) for h, view in found]
        return OpenRound(self, moment, asked, due, [partial(self.seat.check, h) for h in due], over)

    def opened_by_request(self, moment: Moment, over: simpy.Event) -> OpenRound | None:
        """What is asked about the request at which the market has stopped; None: it is not one of this seat."""
        if not self.open_by_request or not isinstance(self.seat, RequestSeat):
            return None
        if (unit := self.seat.asked_unit()) is None:
            return None
        holding = next(holding for holding in self.open_by_request if unit in holding.held)
        asked: list[Asked | None] = [Asked(self.seat.name, (self.seat.units[unit],), self.seat.show())]
        return OpenRound(self, moment, asked, [holding], [partial(self.seat.check_answer, holding)], over)

    def _greet(self, holding: Holding, number: int, view: Any) -> None:
        """Starts a policy in the first round; later makes sure that it has not begun to play elsewhere."""
        policy = holding.policy
        if not self.has_begun:
            object.__setattr__(policy, "_sits_in", self._number)  # it may be a frozen dataclass
            policy.start(view, self.seat.dice(self._seed, number))
        elif policy._sits_in != self._number:
            raise PolicyError(
                f"{holding.name} has begun to decide for another world, and has forgotten this one: give each world that "
                "runs by turns with others a policy of its own"
            )


def _is_due(holding: Holding, moment: Moment) -> bool:
    """Whether a holding is decided for at a moment."""
    return not holding.by_day or moment.tick == 0


def _grouped(seat: Seat[Any, Any, Any], given: Policies | None) -> list[tuple[Policy[Any, Any], list[int]]]:
    """Each policy once, with the places it holds, in the order in which the policies were named."""
    if given is None:
        return []
    pairs = dict.fromkeys(range(len(seat.units)), given) if isinstance(given, Policy) else given
    if not isinstance(pairs, Mapping):
        kind = type(given).__name__
        raise PolicyError(f"the {seat.name} seat takes a policy or a mapping from {seat.unit}s to policies, not {kind}")
    groups: dict[int, tuple[Policy[Any, Any], list[int]]] = {}
    taken: set[int] = set()
    for unit, policy in pairs.items():
        k = seat.place(unit)
        if k is None:
            raise PolicyError(f"there is no {seat.unit} {unit!r}{suggest(str(unit), seat.units)}")
        if k in taken:
            raise PolicyError(f"{seat.unit} {seat.units[k]!r} is held twice")
        if id(policy) not in groups and not _may_sit(policy, seat):
            raise PolicyError(f"{seat.unit} {unit!r} needs a {seat.policy.__name__}, not {type(policy).__name__}")
        if isinstance(policy, Open) and policy.each == "request" and not isinstance(seat, RequestSeat):
            raise PolicyError(f"the {seat.name} seat is not asked request by request, so that it cannot be left open for each")
        taken.add(k)
        groups.setdefault(id(policy), (policy, []))[1].append(k)
    return list(groups.values())


def _may_sit(policy: Any, seat: Seat[Any, Any, Any]) -> bool:
    return isinstance(policy, Open) or (isinstance(policy, Policy) and getattr(policy, "seat", None) == seat.name)


def rosters(policies: Mapping[str, Policies], exchange: Exchange, ledger: Ledger) -> list[Roster]:
    """A roster for each seat of a world that somebody sits in, in the order in which they are asked.

    Raises:
        PolicyError: if there is no such seat, the scenario does not have it, or somebody cannot sit in it.
    """
    for name in policies:
        if name not in SEATS:
            raise PolicyError(f"there is no seat {name!r}{suggest(str(name), SEATS)}")
    found = []
    for name, seat in SEATS.items():
        if name not in policies:
            continue
        if (lacks := seat.missing(exchange.scenario)) is not None:
            raise PolicyError(f"the {name} seat needs {lacks}, and scenario {exchange.scenario.name!r} has none")
        if (other := next((other for other in seat.excludes if other in policies), None)) is not None:
            raise PolicyError(f"the {name} seat and the {other} seat decide on the same: only one of them can be held")
        found.append(Roster(seat(exchange, ledger), policies[name], exchange.seed))
    return found
