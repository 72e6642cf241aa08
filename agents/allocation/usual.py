"""What the scenario says."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.allocation.decisions import Patterns
from ...simulator.seats.allocation.view import Facts
from .standing import Standing


@dataclass
class Usual(Standing):
    """The pattern that pages have where nobody decides."""

    def decided(self, facts: Facts) -> Patterns:
        return Patterns(facts.usual)
