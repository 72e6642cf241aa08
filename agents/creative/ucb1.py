"""UCB1 (Auer, Cesa-Bianchi & Fischer 2002), its width to the scale of click rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import WIDTH, Column, Facts, Row
from ..parameters import LogUniform, Range, check_number
from .scoring import FIRST, RATE, Casts, by_score, shown_so_far, trials


@dataclass
class UCB1(Casts):
    """The creative with the best click rate + width sqrt(usual rate x log t / impressions), each being shown once first.

    A click of rate r has variance r (1 - r), not up to 1/4, and so Auer et al.'s sqrt(2 log t / n) becomes this.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"width": LogUniform(0.05, 2.0)}

    width: float = 0.6  # above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "width", above=0)

    def rule(self) -> RowRule:
        return optimistic()

    def settings(self, facts: Facts) -> list[float]:
        return [self.width]


@cache
def optimistic() -> RowRule:
    """The rule."""

    def score(view: Any, row: Any, memory: Any, own: Any) -> Any:
        if row[Row.SHOWN] == 0.0:
            return np.inf
        seen = trials(row, memory, Row.SHOWN, Row.EXPECTED)
        t = shown_so_far(view, (view.size - Column.ROWS) // WIDTH) + 1.0
        return row[Row.CLICKS] / seen + memory[FIRST] * np.sqrt(memory[RATE] * np.log(t) / seen)

    return by_score(score)
