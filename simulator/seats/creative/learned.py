"""A trained network as a compiled rule that casts creatives, at a few microseconds an impression."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...core.layers import Layers, through_packed
from ...core.rules import RowRule
from .decisions import CreativeRule
from .vectors import BOUND, FEATURES, CreativeVectors, observe_impression, scales
from .view import WIDTH, Column, CreativeView, Row

SCALES = 0  # place in a rule's memory of how many scales follow


class LearnedCreatives:
    """How impressions look to a trained agent that sits in the seat: it decides once, by a rule that asks its network."""

    features, bound, actions = FEATURES, BOUND, CreativeVectors.actions

    def standing(self, layers: Layers, view: CreativeView) -> CreativeRule:
        """The decision that lasts. The network scores a creative by its row, or all of an ad by all rows."""
        known, room = scales(view.facts), np.zeros(view.facts.creatives * (len(FEATURES) + 1))
        return CreativeRule(network_rule(), np.concatenate([[known.size, layers.inputs], known, room, layers.packed]))


@cache
def network_rule() -> RowRule:
    """The rule, compiled when it is first needed; it has room for an observation and scores in its memory."""
    features = len(FEATURES)

    def by_network(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        places, start = answer.size, 2 + np.int64(memory[SCALES])
        seen, scores = start + places * features, start + places * (features + 1)
        rows, score, layers = memory[start:seen], memory[seen:scores], memory[scores:]
        observe_impression(view, memory[2:start], rows.reshape(places, features))
        for place in range(rows.size):
            rows[place] = np.float32(rows[place])
        if memory[1] == features:
            for c in range(places):
                through_packed(rows[c * features : (c + 1) * features], layers, score[c : c + 1])
        else:
            through_packed(rows, layers, score)
        best, chosen = -np.inf, np.int64(0)
        for c in range(places):
            if view[Column.ROWS + c * WIDTH + Row.THERE] > 0.0 and score[c] > best:
                best, chosen = score[c], np.int64(c)
        return chosen

    return RowRule(by_network)
