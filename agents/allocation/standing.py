"""What all policies of pages share: they decide once, by a pattern or by a compiled rule that lasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...simulator.core.errors import PolicyError
from ...simulator.seats.allocation.decisions import AllocationPolicy, Decision
from ...simulator.seats.allocation.view import AllocationView, Facts
from ..parameters import check_whole


class Standing(AllocationPolicy):
    """Decides when it is first asked in a world, and keeps to that."""

    _stands = False

    def start(self, view: AllocationView, dice: np.random.Generator) -> None:
        self._stands = False

    def decide(self, view: AllocationView) -> Decision | None:
        if self._stands:
            return None
        self._stands = True
        return self.decided(view.facts)

    def decided(self, facts: Facts) -> Decision:
        """The decision that lasts."""
        raise PolicyError(f"{type(self).__name__} does not say what it decides")


def check_pattern(policy: object, field: str) -> None:
    """Refuses a field that is no number of a pattern. Raises `PolicyError`."""
    check_whole(policy, field, least=0)


def pattern_in(policy: Any, field: str, facts: Facts) -> int:
    """The pattern that a field names. Raises `PolicyError` if pages have no such pattern."""
    pattern = int(getattr(policy, field))
    if pattern >= len(facts.ads):
        raise PolicyError(
            f"{type(policy).__name__} needs a {field} from 0 to {len(facts.ads) - 1}, the patterns of this market's pages, "
            f"not {pattern}"
        )
    return pattern
