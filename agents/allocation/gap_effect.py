"""Gap-effect-aware greedy: from the top of a page, an ad where it is worth more than what it displaces.

After Yan et al. 2020 (Ads allocation in feed via constrained optimization, KDD): the worth of an ad depends on the gap to the
ad above, and the list is merged from the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.rules import RowRule
from ...simulator.engine.asking import Column
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.memory import packed, rest_in, scales_in
from ...simulator.seats.allocation.vectors import ORGANIC, PAY, willing
from ...simulator.seats.allocation.view import Facts
from ..parameters import Range, Uniform, check_number
from .places import placed
from .standing import Standing


@dataclass
class GapEffect(Standing):
    """An ad goes in where its charge, once seen, exceeds a price and the worth of the organic item that it displaces."""

    SPACE: ClassVar[Mapping[str, Range]] = {"price": Uniform(0.0, 1.5), "content": Uniform(-0.5, 2.5)}

    price: float = 0.4  # of an ad, in usual charges for one; as is
    content: float = 1.0  # what content brings above what it pays at once, in usual charges for a page of content 1; as is

    def __post_init__(self) -> None:
        check_number(self, "price")
        check_number(self, "content")

    def decided(self, facts: Facts) -> PageRule:
        places, patterns, pages = facts.carries.shape[1], placed(facts), facts.pages
        gaps = [pages.gap_clicks[gap] if gap < len(pages.gap_clicks) else 1.0 for gap in range(places)]
        head = [self.price, self.content, places, facts.ads.max(), pages.apart]
        return PageRule(rule(), packed(facts, head, gaps, facts.relevance, patterns))


HEAD = 5


@cache
def rule() -> RowRule:
    """Behind its numbers the memory holds clicks by gap, the worth of organic items, and patterns."""

    def gap_effect(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales, rest = scales_in(memory), rest_in(memory)
        places = np.int64(rest[2])
        gaps, relevance, patterns = rest[HEAD:], rest[HEAD + places :], rest[HEAD + 2 * places :]
        worth = (scales[ORGANIC] + rest[1] * scales[PAY]) * view[Column.CONTENT]
        bits, count, item, last, ready = np.int64(0), 0, 0, -1, willing(view, scales)
        for place in range(places):
            gain = 0.0
            if count < rest[3] and (last < 0 or place - last > rest[4]):
                gain = view[Column.PAYS + count] * ready * (gaps[place - last - 1] if last >= 0 else 1.0)
            if gain > rest[0] * scales[PAY] + worth * relevance[item]:
                bits |= np.int64(1) << place
                count, last = count + 1, place
            else:
                item += 1
        return np.int64(patterns[bits])

    return RowRule(gap_effect)
