"""What content tells, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...simulator.core.rules import RowRule
from ...simulator.seats.creative.view import Row
from .scoring import Casts, by_score


@dataclass
class Content(Casts):
    """The creative of which its content promises most."""

    def rule(self) -> RowRule:
        return promising()


@cache
def promising() -> RowRule:
    """The rule."""

    def score(view: Any, row: Any, memory: Any, own: Any) -> Any:
        return np.exp(row[Row.CONTENT])

    return by_score(score)
