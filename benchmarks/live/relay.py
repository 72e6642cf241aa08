"""A policy that sits in a seat for whoever holds it at the time, so that a seat may change hands while the world runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...simulator.core.errors import PolicyError, suggest
from ...simulator.scenario.tree import Scenario
from ...simulator.seats import SEATS
from ...simulator.seats.seat import Open, Policy


class Relay(Policy[Any, Any]):
    """Holds all units of a seat, and decides as its holder does; with None the market decides, as if nobody sat there.

    What a holder has decided stands until the next one decides something, as whenever a policy returns None.
    """

    def __init__(self, seat: str, holder: Policy[Any, Any] | None = None) -> None:
        self.seat = seat
        self._holder, self._begins = holder, False
        self._dice: np.random.Generator | None = None
        self.has_decided = False  # whether anything of the present holder's is in force

    def start(self, view: Any, dice: np.random.Generator) -> None:
        """See `Policy.start`; those who come later go on with the same dice."""
        self._dice = dice
        self._begins = self._holder is not None

    def decide(self, view: Any) -> Any:
        """See `Policy.decide`; a new holder begins with what is seen now."""
        if self._holder is None:
            return None
        if self._begins:
            assert self._dice is not None
            self._holder.start(view, self._dice)
            self._begins = False
        decision = self._holder.decide(view)
        self.has_decided = self.has_decided or decision is not None
        return decision

    def hand(self, holder: Policy[Any, Any]) -> None:
        """Another policy decides from the next time on that the seat is asked.

        Raises:
            PolicyError: if it is no policy of this seat, or leaves it open.
        """
        if isinstance(holder, Open) or not isinstance(holder, SEATS[self.seat].policy):
            raise PolicyError(f"the {self.seat} seat is handed to a {SEATS[self.seat].policy.__name__}, not to {holder!r}")
        self._holder, self._begins, self.has_decided = holder, self._dice is not None, False


def seats_of(scenario: Scenario, named: Iterable[str] = ()) -> tuple[str, ...]:
    """The seats of a market that may change hands, in the order of asking: those named, and whatever they leave free.

    Of two seats that decide on the same, and cannot both be held, it is the one that is named, or else the first.

    Raises:
        PolicyError: if there is no seat of a name.
    """
    found = list(named)
    for name in found:
        if name not in SEATS:
            raise PolicyError(f"there is no seat {name!r}{suggest(name, SEATS)}")
    for name, seat in SEATS.items():
        taken = {other for held in found for other in SEATS[held].excludes} & {name} or set(seat.excludes) & set(found)
        if name not in found and not taken and seat.missing(scenario) is None:
            found.append(name)
    return tuple(name for name in SEATS if name in found)


def relays(scenario: Scenario, holders: Mapping[str, Policy[Any, Any]]) -> dict[str, Relay]:
    """A relay for each seat of a market: `World(scenario, relays(...))`. Nobody holds those that are not named."""
    return {seat: Relay(seat, holders.get(seat)) for seat in seats_of(scenario, holders)}
