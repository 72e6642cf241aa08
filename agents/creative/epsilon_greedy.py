"""Epsilon-greedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from ...simulator.core.rules import RowRule, row_rule
from ...simulator.seats.creative.view import Column, Facts, Row
from ..parameters import LogUniform, Range, Uniform, check_number
from .scoring import FIRST, RATE, Casts, best_of, piece, row_of, shown_so_far, trials


@dataclass
class EpsilonGreedy(Casts):
    """Any creative with probability epsilon, which falls as 1 / t from the `after`-th impression on; else the best so far."""

    SPACE: ClassVar[Mapping[str, Range]] = {
        "epsilon": Uniform(0.02, 0.4), "after": LogUniform(20.0, 2000.0), "prior": LogUniform(50.0, 50_000.0),
    }  # fmt: skip

    epsilon: float = 0.1  # from 0 to 1
    after: float = 300.0  # impressions of the ad, above 0
    prior: float = 1000.0  # impressions at the usual rate with which each begins, above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "epsilon", least=0, most=1)
        check_number(self, "after", above=0)
        check_number(self, "prior", above=0)

    def rule(self) -> RowRule:
        return explored()

    def settings(self, facts: Facts) -> list[float]:
        return [self.prior, self.epsilon, self.after]


@cache
def explored() -> RowRule:
    """The rule."""

    @piece
    def score(view: Any, row: Any, memory: Any, own: Any) -> Any:
        seen = trials(row, memory, Row.SHOWN, Row.EXPECTED)
        return (row[Row.CLICKS] + memory[RATE] * memory[FIRST]) / (seen + memory[FIRST])

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        epsilon, after = memory[FIRST + 1], memory[FIRST + 2]
        epsilon *= min(1.0, after / (shown_so_far(view, answer.size) + 1.0))
        for c in range(answer.size):
            answer[c] = epsilon / view[Column.THERE] if row_of(view, c)[Row.THERE] > 0.0 else 0.0
        answer[best_of(score, view, answer.size, memory, own)] += 1.0 - epsilon
        return -1

    return row_rule(cast)
