"""Thompson sampling in each segment by itself."""

from __future__ import annotations

from functools import cache

from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import Row
from .scoring import by_thompson
from .thompson import Thompson


class BySegment(Thompson):
    """Each creative with the probability that it is the best, given its clicks in this user's segment."""

    def rule(self) -> RowRule:
        return sampled_in_segment()


@cache
def sampled_in_segment() -> RowRule:
    """The rule."""
    return by_thompson(Row.SHOWN_HERE, Row.CLICKS_HERE, Row.EXPECTED_HERE)
