"""A gap rule, as feeds have it: an ad wherever enough organic items have passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.rules import RowRule
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from ..parameters import Choice, Range, check_whole
from .places import placed
from .standing import Standing


@dataclass
class Gap(Standing):
    """An ad as soon as `items` places without one have passed, counted over pages and sessions of a user."""

    SPACE: ClassVar[Mapping[str, Range]] = {"items": Choice(tuple(range(1, 13)))}

    items: int = 2  # from 0 up, as is

    def __post_init__(self) -> None:
        check_whole(self, "items", least=0)

    def decided(self, facts: Facts) -> PageRule:
        patterns, places = placed(facts), facts.carries.shape[1]
        memory = np.array([self.items, places, facts.ads.max(), facts.pages.apart, *patterns], np.float64)
        return PageRule(rule(), memory, np.zeros((facts.users, 1)))


@cache
def rule() -> RowRule:
    """A user's row holds how many places without an ad have passed since his last ad."""

    def gap(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        bits, count, last = np.int64(0), 0, -1
        for place in range(np.int64(memory[1])):
            apart = last < 0 or place - last > memory[3]
            if own[0] >= memory[0] and apart and count < memory[2]:
                bits |= np.int64(1) << place
                own[0], count, last = 0.0, count + 1, place
            else:
                own[0] += 1.0
        return np.int64(memory[4 + bits])

    return RowRule(gap)
