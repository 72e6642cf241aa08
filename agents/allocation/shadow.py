"""A shadow price: ads that bore cost something, and content brings more than it pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from ...simulator.core.rules import RowRule
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.memory import packed, rest_in, scales_in, shapes_in
from ...simulator.seats.allocation.vectors import PAY, pattern_at
from ...simulator.seats.allocation.view import Facts
from ..parameters import Range, Uniform, check_number
from .standing import Standing


@dataclass
class Shadow(Standing):
    """The pattern with the most of: charges + (organic value + `content`) x content seen - `price` x ads that will bore."""

    SPACE: ClassVar[Mapping[str, Range]] = {"price": Uniform(0.0, 1.5), "content": Uniform(-0.3, 1.2)}

    price: float = 0.35  # of an ad that is seen and not clicked, in usual charges for one; as is
    content: float = 0.6  # in usual charges, for a page of content 1; as is

    def __post_init__(self) -> None:
        check_number(self, "price")
        check_number(self, "content")

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), packed(facts, [self.price, self.content]))


@cache
def rule() -> RowRule:
    """Price and worth stay as they are."""

    def shadow(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales, shapes, rest = scales_in(memory), shapes_in(memory), rest_in(memory)
        return pattern_at(view, rest[0] * scales[PAY], rest[1] * scales[PAY], shapes, scales)

    return RowRule(shadow)
