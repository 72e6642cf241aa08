"""Linear Thompson sampling (Agrawal & Goyal 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.chance import normal_draw
from ...simulator.core.rules import RowRule, row_rule
from ...simulator.seats.creative.view import Facts, Row
from ..parameters import Range, Uniform, check_number
from .hybrid import DICE
from .linear import OWN, SPACE, Linear, covariance, learn, means, remember
from .linucb import LEAST
from .scoring import freshness, row_of


@dataclass
class LinearThompson(Linear):
    """The best creative of a draw from the posterior of a linear model of its own for each ad."""

    SPACE: ClassVar[Mapping[str, Range]] = {**SPACE, "width": Uniform(0.0, 1.0)}

    width: float = 0.3  # standard deviations of a draw, over those of the posterior

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "width", least=0)

    def rule(self) -> RowRule:
        return drawn()

    def settings(self, facts: Facts) -> list[float]:
        return [*super().settings(facts), self.width]


@cache
def drawn() -> RowRule:
    """The rule: it draws the creatives one after another, each given those before (Cholesky)."""

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        places, best, chosen = answer.size, -np.inf, 0
        learn(view, places, memory, own)
        means(view, places, memory, own, answer)
        root, normal = np.zeros((places, places)), np.zeros(places)
        for c in range(places):
            row = row_of(view, c)
            for d in range(c + 1):
                x = covariance(view, places, c, d, memory, own)
                for e in range(d):
                    x -= root[c, e] * root[d, e]
                if c == d:
                    root[c, c] = np.sqrt(max(x, 0.0))
                else:
                    root[c, d] = x / root[d, d] if root[d, d] > 0.0 else 0.0
            normal[c] = normal_draw(np.uint64(row[Row.DICE] * DICE), 0, 0)
            x = 1.0 + answer[c]
            for d in range(c + 1):
                x += memory[OWN] * root[c, d] * normal[d]
            x = max(x, LEAST) * freshness(row, memory)
            if row[Row.THERE] > 0.0 and x > best:
                best, chosen = x, c
        remember(view, places, chosen, memory, own)
        return chosen

    return row_rule(cast)
