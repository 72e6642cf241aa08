"""A shadow price that depends on what is seen of the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

from ...simulator.core.rules import RowRule
from ...simulator.engine.asking import Column
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.memory import packed, rest_in, scales_in, shapes_in
from ...simulator.seats.allocation.vectors import DAYS, LENGTH, PAY, pattern_at
from ...simulator.seats.allocation.view import Facts
from ..parameters import Range, Uniform, check_number
from .standing import Standing


@dataclass
class State(Standing):
    """`Shadow`, its price times the exponential of a weighted sum of what is seen, each number near 0 for a usual user.

    The defaults are what the cross-entropy method found on training days of `allocation-small`.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "price": Uniform(0.1, 0.9),
        "content": Uniform(-0.2, 1.0),
        "boredom": Uniform(-0.4, 0.4),
        "page": Uniform(-0.6, 0.6),
        "hint": Uniform(-0.3, 0.8),
        "satisfaction": Uniform(-0.6, 0.6),
        "day": Uniform(-1.0, 1.0),
        "level": Uniform(-0.5, 1.2),
        "length": Uniform(-1.4, 0.4),
        "ads": Uniform(-0.8, 0.8),
    }

    price: float = 0.3  # as of `Shadow`
    content: float = 0.29  # as of `Shadow`
    # Weights in the log of the price, as are:
    boredom: float = 0.03  # boredom - 1
    page: float = -0.03  # log(1 + page) - 1.5
    hint: float = 0.2  # hint at the user's rate of leaving
    satisfaction: float = -0.07  # 10 (satisfaction - .9)
    day: float = -0.14  # share of all days that is over - .5
    level: float = 0.33  # log of what the best ad paid, over the usual charge
    length: float = -0.9  # log of pages a session, two usual ones among them, over the usual
    ads: float = 0.39  # ads seen a page - .4

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(self, field.name)

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), packed(facts, [getattr(self, field.name) for field in fields(self)]))


@cache
def rule() -> RowRule:
    """The weights are in the order of the fields."""

    def state(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales, shapes, rest = scales_in(memory), shapes_in(memory), rest_in(memory)
        before = max(view[Column.PAGES] - view[Column.PAGE], 0.0)
        length = math.log((2.0 * scales[LENGTH] + before) / ((2.0 + view[Column.SESSIONS]) * scales[LENGTH]))
        tilt = (
            rest[2] * (view[Column.BOREDOM] - 1.0)
            + rest[3] * (math.log1p(view[Column.PAGE]) - 1.5)
            + rest[4] * view[Column.HINT]
            + rest[5] * 10.0 * (view[Column.SATISFACTION] - 0.9)
            + rest[6] * ((view[Column.DAY] + view[Column.ELAPSED]) / scales[DAYS] - 0.5)
            + rest[7] * (view[Column.LEVEL] - math.log(scales[PAY]))
            + rest[8] * length
            + rest[9] * ((1.0 + view[Column.ADS]) / (2.0 + view[Column.PAGES]) - 0.4)
        )
        price = rest[0] * math.exp(min(max(tilt, -5.0), 5.0)) * scales[PAY]
        return pattern_at(view, price, rest[1] * scales[PAY], shapes, scales)

    return RowRule(state)
