"""A content prior, and statistics of segments that are shrunk to those of the creative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.chance import normal_draw
from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import Column, Facts, Row
from ..parameters import Choice, LogUniform, Range, check_number
from .scoring import FIRST, Casts, by_score

DICE = 2.0**52  # a draw times that is a whole number that no other creative or impression has


@dataclass
class Hybrid(Casts):
    """The best posterior mean, or a draw around it, of how often a creative is clicked over what belief and fatigue expect.

    A Gamma prior of a creative's factor has the mean that content tells; the factor in a segment has a Gamma prior around the
    creative's posterior mean. Both are conjugate to clicks that are Poisson around factor x expected clicks.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "prior": LogUniform(4.0, 64.0), "segment_prior": LogUniform(3.0, 40.0), "explore": Choice((0.0, 0.3, 1.0)),
    }  # fmt: skip

    prior: float = 16.0  # expected clicks that what content tells is worth, above 0
    segment_prior: float = 8.0  # the same of a creative's factor for that of a segment, above 0
    explore: float = 0.0  # standard deviations of a draw around the mean, over those of the posterior

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "prior", above=0)
        check_number(self, "segment_prior", above=0)
        check_number(self, "explore", least=0)

    def rule(self) -> RowRule:
        return shrunk_twice()

    def tastes(self, facts: Facts) -> Any:
        """What segments are known to make of formats beforehand, (formats, S), log; nothing."""
        return np.zeros((facts.formats, facts.segments))

    def settings(self, facts: Facts) -> list[float]:
        return [self.prior, self.segment_prior, self.explore, facts.segments, *np.ravel(self.tastes(facts)).tolist()]


@cache
def shrunk_twice() -> RowRule:
    """The rule; from the fifth of its own numbers on, memory holds what is known of formats."""

    def score(view: Any, row: Any, memory: Any, own: Any) -> Any:
        prior, segment_prior, explore, segments = memory[FIRST], memory[FIRST + 1], memory[FIRST + 2], memory[FIRST + 3]
        taste = memory[FIRST + 4 + int(row[Row.FORMAT] * segments + view[Column.SEGMENT])]
        a, b = prior * np.exp(row[Row.CONTENT]) + row[Row.CLICKS], prior + row[Row.EXPECTED]
        whole = a / b
        b_here = segment_prior + row[Row.EXPECTED_HERE]
        x = (segment_prior * whole * np.exp(taste) + row[Row.CLICKS_HERE]) / b_here
        if explore > 0.0:
            spread = np.sqrt(whole * whole / a * (segment_prior / b_here) ** 2 + x / b_here)
            x += explore * spread * normal_draw(np.uint64(row[Row.DICE] * DICE), 0, 0)
        return max(x, 1e-9)

    return by_score(score)
