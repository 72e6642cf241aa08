"""Who knows the truth of creatives: the yardstick of those who cast them. For judges only."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...simulator.core.errors import MarketError
from ...simulator.core.rules import RowRule, row_rule
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.creative.decisions import CreativePolicy, CreativeRule
from ...simulator.seats.creative.view import Column, CreativeView, Row
from ..creative.scoring import FIRST, freshness, row_of


class Oracle(CreativePolicy):
    """The creative that this user most likely clicks, in truth.

    It looks no further than this impression: where users tire, who looks ahead might do a little better. `tastes` says whether
    it knows what segments make of creatives, and not only their appeal to all.

    Raises:
        MarketError: where requests differ in more than who makes them, or an ad is its one creative.
    """

    def __init__(self, scenario: Scenario, tastes: bool = True) -> None:
        if scenario.creatives is None or scenario.asks:
            raise MarketError("an oracle of creatives needs a scenario that has some, without search and surfaces")
        self.scenario, self.tastes = scenario, tastes

    def decide(self, view: CreativeView) -> CreativeRule | None:
        if view.day > 0 or view.tick > 0:
            return None
        market, facts = build(self.scenario), view.facts
        portfolio, ads, people = market.creatives, market.ads, market.users.interests.astype(np.float64)
        assert portfolio is not None
        assert ads is not None
        places = np.minimum(portfolio.first[:-1, None] + np.arange(facts.creatives), portfolio.ad.size - 1)
        taste = portfolio.interaction.astype(np.float64) * self.tastes
        odds = portfolio.appeal.astype(np.float64)[:, None] + taste
        dimensions = people.shape[1]
        memory = np.concatenate([[facts.fatigue, facts.click_rate, facts.segments, dimensions], people.ravel()])
        own = np.column_stack([ads.bias, ads.vectors, odds[places].reshape(facts.ads, -1)]).astype(np.float64)
        return CreativeRule(knowing(), memory, np.ascontiguousarray(own))


@cache
def knowing() -> RowRule:
    """The rule: memory holds the interests of all users, an ad's row its bias, its vector and its creatives' log-odds."""

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        segments, dimensions = int(memory[FIRST]), int(memory[FIRST + 1])
        user = FIRST + 2 + int(view[Column.USER]) * dimensions
        odds = own[0]
        for d in range(dimensions):
            odds += memory[user + d] * own[1 + d]
        best, chosen = -1.0, 0
        for c in range(answer.size):
            row = row_of(view, c)
            if row[Row.THERE] > 0.0:
                extra = own[1 + dimensions + c * segments + int(view[Column.SEGMENT])]
                x = freshness(row, memory) / (1.0 + np.exp(-odds - extra))
                if x > best:
                    best, chosen = x, c
        return chosen

    return row_rule(cast)
