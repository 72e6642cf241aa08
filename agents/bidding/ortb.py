"""A bid that is concave in the rate, because dear impressions are won at falling returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.rules import Rule, rule
from ...simulator.seats.bidding.decisions import BidPolicy, Decision, RequestRule
from ...simulator.seats.bidding.view import BidView
from ..parameters import check_switch
from . import rates_seen
from .budgets import highest_within, requests_to_come

FARTHEST = 1e3  # 1 / lambda stays within this factor of where an impression of the mean rate is bid its prior


@dataclass
class ORTB(BidPolicy):
    """bid = sqrt(c rate / lambda + c^2) - c, which is optimal if a bid b wins with probability w(b) = b / (c + b).

    Zhang, Yuan & Wang (KDD 2014), ORTB1. c is fitted to the history: by least squares between w and the distribution of its
    market prices, or, if it does not tell them, the mean price of its impressions. 1 / lambda is set at each tick so that the
    requests to come, with rates like those seen so far (at first: of the mean rate), cost what is left of the budget. What a
    bid costs follows from w, too: c (log(1 + b / c) - b / (c + b)) at second prices, b^2 / (c + b) at first prices. Without a
    budget, 1 / lambda bids an impression of the mean rate its prior.
    """

    first_price: bool = False

    def __post_init__(self) -> None:
        check_switch(self, "first_price")

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._prior_bid = view.prior * view.target * view.history.rate
        self._c = self._half_price(view)
        self._state = rates_seen.blank(view.history.rate)

    def _half_price(self, view: BidView) -> Floats:
        """c: the price below which half of the auctions are won. With no price to go by: the prior bid for a mean rate."""
        history = view.history
        if history.prices is not None and history.price_unit is not None:
            return np.array([fitted(*campaign) for campaign in zip(history.prices, history.price_unit, strict=True)])
        c = np.where(self._prior_bid > 0, self._prior_bid, view.rule_unit)
        return np.divide(history.spend, history.impressions, out=c, where=(history.impressions > 0) & (history.spend > 0))

    def decide(self, view: BidView) -> Decision:
        rate, share = rates_seen.distribution(self._state)
        c, to_come = self._c[:, None], max(requests_to_come(view), 1.0)

        def cost(worth: Floats) -> Floats:
            bid = np.sqrt(c * rate * worth[:, None] + c * c) - c
            paid = bid**2 / (c + bid) if self.first_price else c * (np.log1p(bid / c) - bid / (c + bid))
            total: Floats = to_come * (share * paid).sum(axis=1)
            return total

        mean = np.where(view.history.rate > 0, view.history.rate, 1.0)
        usual = ((self._prior_bid + self._c) ** 2 - self._c**2) / (self._c * mean)
        usual = np.where(usual > 0, usual, view.target)
        worth = highest_within(cost, view.budget_left, usual / FARTHEST, usual * FARTHEST)
        worth = np.where(np.isinf(view.budget), usual, worth)
        self._state[:, rates_seen.FIRST] = worth / view.rule_unit
        self._state[:, rates_seen.SECOND] = self._c / view.rule_unit
        return RequestRule(concave(), self._state)


def fitted(prices: Floats, unit: float) -> float:
    """The c with the least sum of squares between b / (c + b) and the share of prices up to b, over the steps of prices."""
    from scipy.optimize import minimize_scalar  # here: it takes half a second to import, and few commands need it

    won = np.cumsum(prices) / prices.sum()
    bid = unit * np.arange(prices.size)

    def squares(log_c: float) -> float:
        return float(((bid / (np.exp(log_c) + bid) - won) ** 2).sum())

    bounds = np.log(unit * 1e-2), np.log(unit * max(prices.size, 2) * 1e2)
    return float(np.exp(minimize_scalar(squares, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


@cache
def concave() -> Rule:
    """The rule; its parameters are 1 / lambda and c."""
    note, first, second = rates_seen.note, rates_seen.FIRST, rates_seen.SECOND

    def ortb(rate: float, left: int, requests_left: int, state: Any) -> Any:
        note(rate, state)
        c = state[second]
        return np.sqrt(c * rate * state[first] + c * c) - c

    return rule(ortb)
