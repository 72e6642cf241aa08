"""The price of a conversion at which yesterday's auctions would just use up what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.rules import Rule, rule
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, RequestRule
from ...simulator.seats.bidding.view import BidView
from ..parameters import Range, Uniform, check_number
from . import rates_seen
from .budgets import highest_within, known_prices, requests_to_come

LEAST = 1e-9  # least bid for a conversion, in targets


@dataclass
class OnlineLP(BidPolicy):
    """bid = alpha x rate: auctions by rising price / rate until they cost what is left; alpha is the last one's price / rate.

    AuctionNet's `onlinelp_bidding_strategy.py` (Su et al., NeurIPS 2024), an online linear programme in the manner of Agrawal,
    Wang & Ye (Operations Research 2014): at each tick the threshold of the fractional knapsack of the auctions to come, at
    most `most` x target. AuctionNet keeps the price and rate of each auction of an earlier day; reports tell less, so the
    auctions to come are all pairs of a market price from the history and a rate seen so far (at first: its mean rate). An
    unlimited budget is bid `most` x target.

    Raises:
        PolicyError: if the history tells no market prices.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"most": Uniform(0.5, 3.0)}

    most: float = 1.5  # largest bid for a conversion, in targets; above 0

    def __post_init__(self) -> None:
        check_number(self, "most", above=0)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        share, self._unit = known_prices(self, view.history)
        self._cost = np.cumsum(share * np.arange(share.shape[1]), axis=1) * self._unit[:, None]  # of bidding each step always
        self._state = rates_seen.blank(view.history.rate)

    def decide(self, view: BidView) -> Decision:
        rate, share = rates_seen.distribution(self._state)
        to_come = requests_to_come(view)

        def cost(alpha: Floats) -> Floats:
            step = np.minimum(alpha[:, None] * rate / self._unit[:, None], self._cost.shape[1] - 1).astype(np.int64)
            total: Floats = to_come * (share * np.take_along_axis(self._cost, step, axis=1)).sum(axis=1)
            return total

        alpha = highest_within(cost, view.budget_left, view.target * LEAST, view.target * self.most)
        self._state[:, rates_seen.FIRST] = alpha / view.rule_unit
        return RequestRule(linear(), self._state)


@cache
def linear() -> Rule:
    """The rule; its parameter is alpha."""
    note, first = rates_seen.note, rates_seen.FIRST

    def online_lp(rate: float, left: int, requests_left: int, state: Any) -> Any:
        note(rate, state)
        return rate * state[first]

    return rule(online_lp)
