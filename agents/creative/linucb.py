"""LinUCB (Li, Chu, Langford & Schapire 2010)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.rules import RowRule, row_rule
from ...simulator.seats.creative.view import Facts, Row
from ..parameters import Range, Uniform, check_number
from .linear import OWN, SPACE, Linear, covariance, learn, means, remember
from .scoring import freshness, row_of

LEAST = 0.05  # of what is expected, that a creative is expected to be


@dataclass
class LinUCB(Linear):
    """The creative with the best mean + width standard deviations, by a linear model of its own for each ad."""

    SPACE: ClassVar[Mapping[str, Range]] = {**SPACE, "width": Uniform(0.0, 1.0)}

    width: float = 0.3  # from 0 up

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "width", least=0)

    def rule(self) -> RowRule:
        return upper_bound()

    def settings(self, facts: Facts) -> list[float]:
        return [*super().settings(facts), self.width]


@cache
def upper_bound() -> RowRule:
    """The rule."""

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        places, best, chosen = answer.size, -np.inf, 0
        learn(view, places, memory, own)
        means(view, places, memory, own, answer)
        for c in range(places):
            row = row_of(view, c)
            if row[Row.THERE] > 0.0:
                variance = max(covariance(view, places, c, c, memory, own), 0.0)
                x = max(1.0 + answer[c] + memory[OWN] * np.sqrt(variance), LEAST) * freshness(row, memory)
                if x > best:
                    best, chosen = x, c
        remember(view, places, chosen, memory, own)
        return chosen

    return row_rule(cast)
