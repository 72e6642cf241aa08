"""A trained network as a compiled rule of pages, at a few microseconds a page."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...core.layers import Layers, through_packed
from ...core.rules import RowRule
from .decisions import PageRule
from .memory import packed, rest_in, scales_in, shapes_in
from .vectors import FEATURES, AllocationVectors, observe_page, pattern_of_action
from .view import AllocationView

SEEN, ACTIONS = len(FEATURES), AllocationVectors.actions


class LearnedPages:
    """How pages look to a trained agent that sits in the seat: it decides once, by a rule that asks its network."""

    features, bound, actions = FEATURES, AllocationVectors.bound, AllocationVectors.actions

    def standing(self, layers: Layers, view: AllocationView) -> PageRule:
        """The decision that lasts."""
        return PageRule(network_rule(), packed(view.facts, np.zeros(SEEN + ACTIONS), layers.packed))


@cache
def network_rule() -> RowRule:
    """The rule, compiled when it is first needed; it has room for an observation and an action in its memory."""

    def by_network(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales, shapes, rest = scales_in(memory), shapes_in(memory), rest_in(memory)
        seen, action = rest[:SEEN], rest[SEEN : SEEN + ACTIONS]
        observe_page(view, scales, seen)
        through_packed(seen, rest[SEEN + ACTIONS :], action)
        return pattern_of_action(view, action[0], action[1], shapes, scales)

    return RowRule(by_network)
