"""Thompson sampling (Thompson 1933) with Beta posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import Facts, Row
from ..parameters import LogUniform, Range, check_number
from .scoring import Casts, by_thompson


@dataclass
class Thompson(Casts):
    """Each creative with the probability that it is the best, given its clicks, which the journal keeps as its propensity."""

    SPACE: ClassVar[Mapping[str, Range]] = {"prior": LogUniform(10.0, 5000.0)}

    prior: float = 1000.0  # impressions at the usual rate with which each begins, above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "prior", above=0)

    def rule(self) -> RowRule:
        return sampled()

    def settings(self, facts: Facts) -> list[float]:
        return [self.prior]


@cache
def sampled() -> RowRule:
    """The rule."""
    return by_thompson(Row.SHOWN, Row.CLICKS, Row.EXPECTED)
