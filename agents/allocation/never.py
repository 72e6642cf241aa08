"""No ads."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.allocation.decisions import Patterns
from ...simulator.seats.allocation.view import Facts
from .standing import Standing


@dataclass
class Never(Standing):
    """Organic items in all places."""

    def decided(self, facts: Facts) -> Patterns:
        return Patterns(0)
