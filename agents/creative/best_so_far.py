"""Best so far: greedy on click rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import Facts, Row
from ..parameters import LogUniform, Range, check_number
from .scoring import FIRST, RATE, Casts, by_score, trials


@dataclass
class BestSoFar(Casts):
    """The creative with the best click rate so far, shrunk to the usual one."""

    SPACE: ClassVar[Mapping[str, Range]] = {"prior": LogUniform(50.0, 50_000.0)}

    prior: float = 1000.0  # impressions at the usual rate with which each begins, above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "prior", above=0)

    def rule(self) -> RowRule:
        return shrunk()

    def settings(self, facts: Facts) -> list[float]:
        return [self.prior]


@cache
def shrunk() -> RowRule:
    """The rule."""

    def score(view: Any, row: Any, memory: Any, own: Any) -> Any:
        seen = trials(row, memory, Row.SHOWN, Row.EXPECTED)
        return (row[Row.CLICKS] + memory[RATE] * memory[FIRST]) / (seen + memory[FIRST])

    return by_score(score)
