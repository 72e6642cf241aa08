"""Ads on every k-th page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.rules import RowRule
from ...simulator.engine.asking import Column
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from ..parameters import Choice, Range, check_whole
from .standing import Standing, check_pattern, pattern_in


@dataclass
class Every(Standing):
    """A pattern on every k-th page of a session, and no ads between."""

    SPACE: ClassVar[Mapping[str, Range]] = {"pages": Choice((2, 3, 4)), "pattern": Choice(tuple(range(1, 13)))}

    pages: int = 2  # from 1 up, as is
    pattern: int = 1  # its number, as is

    def __post_init__(self) -> None:
        check_whole(self, "pages", least=1)
        check_pattern(self, "pattern")

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), np.array([self.pages, pattern_in(self, "pattern", facts)], np.float64))


@cache
def rule() -> RowRule:
    """The pages of a session are counted from 0 on."""

    def every(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        pages = np.int64(memory[0])
        return np.int64(memory[1]) if np.int64(view[Column.PAGE]) % pages == pages - 1 else np.int64(0)

    return RowRule(every)
