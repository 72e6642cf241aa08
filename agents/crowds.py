"""Crowds: who bids for each campaign of a market, by the names of policies that are dealt in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Any, TypeVar

from ..simulator.core.errors import MarketError
from ..simulator.scenario.tree import Scenario
from ..simulator.seats.bidding.decisions import BidPolicy
from .bidding.rivals import MIXES
from .bidding.rivals import turns as turns_of
from .catalogue import joined, make_policy
from .learning.learned import Learned

T = TypeVar("T")
Seats = dict[int | str, BidPolicy]  # of the bid seat, by place


class Crowd:
    """A crowd by its name: a mix of `rivals` ("mixed"), a policy ("pid", "agent:out/x"), or several ("pid+dual+agent:out/x").

    Raises:
        MarketError: if the name is no text.
        PolicyError: as `make_policy` does.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise MarketError(f"a crowd is the name of a mix of rivals, or of policies joined by +, not {name!r}")
        self.name = name
        if name in MIXES:
            self._dealt = [kind.__name__ for kind in MIXES[name]]
            self._makers: dict[str, Callable[[], Any]] = {kind.__name__: kind for kind in MIXES[name]}
        else:
            self._dealt = joined("bidding", name)
            self._makers = {text: _maker(text) for text in self._dealt}

    def seats(self, scenario: Scenario, campaigns: Iterable[int] | None = None) -> Seats:
        """Its policies, made anew, on some campaigns of a market (None: on all), each by the turn it has among all."""
        made = {text: make() for text, make in self._makers.items()}
        return deal(scenario, [made[text] for text in self._dealt], campaigns)


def _maker(text: str) -> Callable[[], Any]:
    """Makes a policy that has played nowhere. What an agent learned is read once: it never changes."""
    made = make_policy("bidding", text)
    return partial(copy, made) if isinstance(made, Learned) else partial(make_policy, "bidding", text)


def deal(scenario: Scenario, kinds: Sequence[T], campaigns: Iterable[int] | None = None) -> dict[int | str, T]:
    """Policies, or whatever else, in turn within each vertical of a market, to some of its campaigns or (None) to all."""
    turns = turns_of(scenario)
    held = range(len(turns)) if campaigns is None else campaigns
    return {k: kinds[turns[k] % len(kinds)] for k in held}
