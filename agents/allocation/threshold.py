"""As many ads as pay enough."""

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
from ..parameters import LogUniform, Range, check_number
from .standing import Standing


@dataclass
class Threshold(Standing):
    """As many ads as pay more than `least` usual charges, in the places that bring most on an average page."""

    SPACE: ClassVar[Mapping[str, Range]] = {"least": LogUniform(0.3, 4.0)}

    least: float = 0.8  # over the mean charge for an ad that is seen; from 0 up, as is

    def __post_init__(self) -> None:
        check_number(self, "least", least=0)

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), np.array([self.least * facts.pay, *best_by_number(facts)]))


def best_by_number(facts: Facts) -> list[int]:
    """For each number of ads the pattern that brings most at once, on an average page of an even day."""
    worth = facts.clicks @ facts.prices.mean(axis=0) + facts.pages.organic_value * facts.organic
    return [int(np.argmax(np.where(facts.ads == count, worth, -np.inf))) for count in range(int(facts.ads.max()) + 1)]


@cache
def rule() -> RowRule:
    """Ads pay less the lower they rank."""

    def threshold(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        count = np.int64(0)
        while count < memory.size - 2 and view[Column.PAYS + count] > memory[0]:
            count += 1
        return np.int64(memory[1 + count])

    return RowRule(threshold)
