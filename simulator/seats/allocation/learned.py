"""A trained network as a compiled rule of pages, at a few microseconds a page."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...core.arrays import Floats
from ...core.layers import Layers, through_packed
from ...core.rules import RowRule
from .decisions import PageRule
from .vectors import FEATURES, AllocationVectors, observe_page, pattern_of_action
from .view import AllocationView, Facts

SEEN, ACTIONS = len(FEATURES), AllocationVectors.actions


class LearnedPages:
    """How pages look to a trained agent that sits in the seat: it decides once, by a rule that asks its network."""

    features, bound, actions = FEATURES, AllocationVectors.bound, AllocationVectors.actions

    def standing(self, layers: Layers, view: AllocationView) -> PageRule:
        """The decision that lasts."""
        return PageRule(network_rule(), packed(layers, view.facts))


def packed(layers: Layers, facts: Facts) -> Floats:
    """The memory of `network_rule`: scales, patterns, room for an observation and an action, network."""
    vectors = AllocationVectors(facts)
    head = [vectors.scales.size, *vectors.shapes.shape]
    return np.concatenate([head, vectors.scales, vectors.shapes.ravel(), np.zeros(SEEN + ACTIONS), layers.packed])


@cache
def network_rule() -> RowRule:
    """The rule, compiled when it is first needed."""

    def by_network(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        scales_size, patterns, width = np.int64(memory[0]), np.int64(memory[1]), np.int64(memory[2])
        first = 3 + scales_size
        scales, shapes = memory[3:first], memory[first : first + patterns * width].reshape(patterns, width)
        first += patterns * width
        seen, action = memory[first : first + SEEN], memory[first + SEEN : first + SEEN + ACTIONS]
        observe_page(view, scales, seen)
        through_packed(seen, memory[first + SEEN + ACTIONS :], action)
        return pattern_of_action(view, action[0], action[1], shapes, scales)

    return RowRule(by_network)
