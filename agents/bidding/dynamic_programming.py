"""Bidding as a Markov decision process over (requests left, budget left), solved exactly; common to RLB and SS-MDP.

V(n, b) is the number of conversions to be expected from n more requests with a budget of b: a request brings the mean rate if
its market price, drawn from the history's histogram, is reached.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.compiled import kernel
from ...simulator.core.rules import Rule, rule
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, RequestRule
from ...simulator.seats.bidding.view import BidView
from ..parameters import check_whole
from .budgets import known_prices

# Places in the state; then V, row by row. RATE is the rate that decides in place of a request's own; negative: its own.
REQUESTS, BUDGET, UNIT, CAP, RATE, TABLE = range(6)
ROOM = 4  # a table that stands for a longer day reaches to this multiple of the budget per request it starts with


class DynamicProgramming(BidPolicy):
    """The bidder of Cai et al. (WSDM 2017); subclasses say whose rate decides. See there for the formula."""

    OWN_RATE: ClassVar[bool]  # whether a request's own rate decides its bid, or the mean rate

    requests: int
    steps: int

    def __post_init__(self) -> None:
        check_whole(self, "requests", 2)
        check_whole(self, "steps", 1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        """Solves the process of each campaign."""
        share, unit = known_prices(self, view.history)
        # One auction more at each price: a price that the history never met is not impossible (as published).
        assert view.history.prices is not None
        smoothed = view.history.prices + 1
        density = smoothed / smoothed.sum(axis=1, keepdims=True)
        budget = np.where(view.budget > 0, view.budget, view.history.spend)  # none yet: what may still be topped up
        solved = [
            self._solved(density[k], float(unit[k]), float(view.history.rate[k]), float(budget[k]), view)
            for k in range(len(share))
        ]
        width = max(row.size for row in solved)
        self._state = np.zeros((len(solved), width))
        for row, state in zip(solved, self._state, strict=True):
            state[: row.size] = row
        self._state[:, RATE] = -1.0 if self.OWN_RATE else view.history.rate

    def _solved(self, density: Floats, unit: float, rate: float, budget: float, view: BidView) -> Floats:
        """The rule's state for one campaign: what its table covers, then the table."""
        if np.isinf(budget):  # every price is worth paying: one request, and all a budget can be needed for
            requests, steps = 1, density.size - 1
        else:
            requests = max(1, min(self.requests, int(view.forecast_requests)))
            whole_day = requests >= view.forecast_requests
            enough = budget if whole_day else ROOM * budget * requests / view.forecast_requests
            merged = max(1, -(-int(enough / unit) // self.steps))
            density, unit = coarser(density, merged), unit * merged
            steps = max(int(enough / unit), 1)
        value = np.zeros((requests, steps + 1))
        value_table(density, rate, value)
        head = np.zeros(TABLE)
        head[REQUESTS], head[BUDGET], head[UNIT], head[CAP] = requests, steps, unit / view.rule_unit, density.size - 1
        return np.concatenate([head, value.ravel()])

    def decide(self, view: BidView) -> Decision | None:
        return RequestRule(from_table(), self._state) if view.day == view.tick == 0 else None


def coarser(density: Floats, merged: int) -> Floats:
    """The distribution over steps `merged` times as large; a price between two steps counts as the upper."""
    place = -(-np.arange(density.size) // merged)
    return np.bincount(place, density).astype(np.float64)


@kernel(nogil=True)
def value_table(density: Any, rate: Any, value: Any) -> None:
    """Fills value (requests, budget + 1), zeros so far, with V(n, b), n and b from 0 (Cai et al. 2017, equation 4).

    density: (prices,) shares of auctions by market price, in steps. rate: conversions of an impression. V(n, 0) = 0: who has
    nothing left is taken to be out, although it would still win auctions at price 0 (as in the published code).
    """
    for n in range(1, value.shape[0]):
        for b in range(1, value.shape[1]):
            total = value[n - 1, b]
            for price in range(min(density.size - 1, b) + 1):
                gain = rate + (value[n - 1, b - price] - value[n - 1, b])
                if gain < 0:
                    break
                total += density[price] * gain
            value[n, b] = total


@cache
def from_table() -> Rule:
    """The rule: the largest bid whose price would be worth paying, by the table in the campaign's state."""
    places = REQUESTS, BUDGET, UNIT, CAP, RATE, TABLE
    exact = 1 + 1e-12  # a whole number of steps stays one when it is divided
    at_requests, at_budget, at_unit, at_cap, at_rate, at_table = places

    def best_bid(rate: float, left: int, requests_left: int, state: Any) -> Any:
        most_requests, steps, unit = int(state[at_requests]), int(state[at_budget]), state[at_unit]
        n, budget = max(requests_left, 1), left / unit * exact
        if n > most_requests:  # V is nearly a function of budget per request: look up as many requests as there are rows
            budget *= most_requests / n
            n = most_requests
        b = int(min(budget, float(steps)))
        theta = rate if state[at_rate] < 0 else state[at_rate]
        row = at_table + (n - 1) * (steps + 1) + b
        bid, most = 0, min(int(state[at_cap]), b)
        while bid < most and theta + (state[row - bid - 1] - state[row]) >= 0:
            bid += 1
        return bid * unit

    return rule(best_bid)
