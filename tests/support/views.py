"""Views made by hand, and what a policy decides on seeing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from adarena.simulator import BidPolicy, BidView, Multiplier, RequestRule, Scenario
from adarena.simulator.seats.bidding.view import History, Told

DICE = np.random.default_rng(0)


def told(spend: Any = (0.0, 0.0), believed: Any = (0.0, 0.0), requests: Any = 0, wins: Any = (0, 0)) -> Told:
    """What two campaigns are told of a span of time; what is not given does not matter."""
    none = np.zeros(2, np.int64)
    money = np.array(spend, float), np.array(believed, float)
    return Told(none + requests, none + wins, none, none, none, *money, offered=np.zeros(2))


def history(**changes: Any) -> History:
    """400 impressions for 80, 4 conversions; 100 for 10, no conversion; market prices are not told."""
    plain = History(np.array([400.0, 100.0]), np.array([4.0, 0.0]), np.array([80.0, 10.0]), np.array([0.02, 0.01]))
    return plain._replace(**changes)


def view(**changes: Any) -> BidView:
    """The view of two campaigns at the start of a day of four very uneven ticks."""
    plain = BidView(
        day=0, tick=0, ticks=4, campaigns=("a", "b"), objectives=("max_value",) * 2, active=np.ones(2, np.bool_),
        could_bid=np.ones(2, np.bool_), reach=np.ones(2),
        target=np.array([50.0, 20.0]), value=np.array([50.0, 20.0]), prior=np.array([0.5, 0.25]), multiplier=np.ones(2),
        spent_share=np.zeros(2), budget=np.array([100.0, 200.0]), budget_left=np.array([100.0, 200.0]),
        forecast=np.array([0.7, 0.1, 0.1, 0.1]), forecast_requests=1000.0, elapsed=0.0,
        last=told(), today=told(), market_price=np.full(2, np.nan), history=history(),
    )  # fmt: skip
    seen = plain._replace(**changes)
    share = np.divide(seen.today.spend, seen.budget, out=np.ones(2), where=seen.budget > 0)
    return seen._replace(elapsed=float(seen.forecast[: seen.tick].sum()), spent_share=share)


def decided(policy: BidPolicy, *views: BidView) -> np.ndarray:
    """The multipliers of the last of some views, the first of which starts the run."""
    policy.start(views[0], DICE)
    for seen in views:
        decision = policy.decide(seen)
    assert isinstance(decision, Multiplier)
    return np.broadcast_to(decision.values, 2)


def ruled(policy: BidPolicy, seen: BidView, started: bool = False) -> RequestRule:
    """The rule a policy decides on."""
    if not started:
        policy.start(seen, DICE)
    decision = policy.decide(seen)
    assert isinstance(decision, RequestRule)
    return decision


def uniform_market(requests: int, ticks: int, bidders: int = 2, **campaign: Any) -> Scenario:
    """The theory market, with changes to the first bidder's campaign."""
    tree = Scenario.preset("uniform", bidders=bidders, requests=requests).model_dump(mode="json")
    tree["demand"]["advertisers"][0]["campaigns"][0].update(campaign)
    tree["ticks_per_day"] = ticks
    return Scenario.from_tree(tree)
