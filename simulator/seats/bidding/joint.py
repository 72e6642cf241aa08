"""Campaigns of several worlds, held by one policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import PolicyError
from ...core.money import MICRO
from ..seat import Joint, Moment
from .decisions import Decision, Multiplier, checked
from .view import BidView, joined


class JointBids(Joint[BidView, Decision]):
    """Campaigns of several worlds as if they were one's; bids by request are not among what may be decided for them."""

    def __init__(self, parts: Sequence[tuple[Any, Any]]) -> None:  # a `BidSeat` and a `BidHolding` of it
        self._parts, self._name = parts, parts[0][1].name
        self._known = joined([holding.known for _, holding in parts])
        ends = np.cumsum([holding.held.size for _, holding in parts]).tolist()
        self._cuts = [slice(end - holding.held.size, end) for end, (_, holding) in zip(ends, parts, strict=True)]

    def view(self, moment: Moment) -> BidView:
        """See `Joint.view`."""
        told = [seat.teller.leads(holding.held, moment) for seat, holding in self._parts]
        leads = None if told[0] is None else np.concatenate([part for part in told if part is not None], axis=1)
        seen = [(holding.held, seat.teller.facts()) for seat, holding in self._parts]
        view: BidView
        (view,) = self._parts[0][0].teller.maker.views([self._known], moment, seen, leads)
        return view

    def checked(self, decision: Any) -> list[Decision]:
        """See `Joint.checked`."""
        found = checked(self._name, decision, self._known.held.size, MICRO)
        if not isinstance(found, Multiplier):
            raise PolicyError(f"{self._name} bids by request, and cannot do so for several worlds at once")
        return [Multiplier(found.values[cut]) for cut in self._cuts]
