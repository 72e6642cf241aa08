"""Bids by a Python function, request by request: the books of the same compiled rule, and errors as they were raised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adarena.simulator import (
    BidPolicy,
    BidView,
    MarketError,
    Multiplier,
    PolicyError,
    RequestFunction,
    RequestRule,
    Scenario,
    World,
    rule,
)  # fmt: skip
from adarena.simulator.replay.history import PriceHistory
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.replay import replay

SMALL = {"traffic.requests_per_day": 1500}
TINY = Scenario.preset("tiny").override(SMALL)
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 20.0, "deadline_s": 60.0}})


@rule
def thrifty(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Spends evenly; every third request is left to others."""
    state[0] += 1.0
    if state[0] % 3 == 0:
        return 0.0
    return min(state[1] * rate, 4.0 * budget_left / max(requests_left, 1))


class Compiled(BidPolicy):
    def decide(self, view: BidView) -> RequestRule | None:
        if view.tick:
            return None
        return RequestRule(thrifty, np.column_stack([np.zeros_like(view.target), view.target / view.rule_unit]))


class Python(BidPolicy):
    """The same, with a memory of its own."""

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self.asked, self.target = [0] * view.target.size, view.target.tolist()
        self.left: list[float] = []

    def decide(self, view: BidView) -> RequestFunction | None:
        if view.tick == 0:  # as the compiled one begins anew
            self.asked = [0] * view.target.size
        return None if view.tick % 7 else RequestFunction(self.bid)

    def bid(self, campaign: int, rate: float, budget_left: float, requests_left: int) -> float:
        self.asked[campaign] += 1
        self.left.append(budget_left)
        if self.asked[campaign] % 3 == 0:
            return 0.0
        return min(self.target[campaign] * rate, 4.0 * budget_left / max(requests_left, 1))


@pytest.mark.parametrize("engine", ["compiled", "events"])
@pytest.mark.parametrize("scenario", [TINY, WITH_SERVERS], ids=["at once", "with servers"])
def test_it_bids_what_the_compiled_rule_bids(scenario: Scenario, engine: Any) -> None:
    """But for the last millionth: the one counts in it, the other in currency."""
    worlds = []
    for policy in (Compiled(), python := Python()):
        worlds.append(World(scenario, {"bidding": {0: policy, 3: policy}}, seed=2, engine=engine))
        worlds[-1].run()
    one, other = (world.ledger for world in worlds)
    np.testing.assert_array_equal(one.impressions(), other.impressions())
    np.testing.assert_allclose(one.spend(), other.spend(), atol=1e-4)
    assert one.impressions()[:, [0, 3]].sum() > 0
    assert python.asked[0] == python.asked[1] > 100
    budget = worlds[0].campaigns.budget[[0, 3]] / 1e6
    assert max(python.left) == budget.max()


def test_a_budget_without_limit_is_infinite() -> None:
    seen: list[float] = []

    class Unlimited(BidPolicy):
        def decide(self, view: BidView) -> RequestFunction:
            return RequestFunction(lambda campaign, rate, budget_left, requests_left: seen.append(budget_left) or 0.0)

    World(TINY.override({"demand.budget_share": None}), {"bidding": {1: Unlimited()}}).run()
    assert set(seen) == {np.inf}


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_what_it_raises_is_raised(engine: Any) -> None:
    class Failing(BidPolicy):
        def decide(self, view: BidView) -> RequestFunction:
            def bid(campaign: int, rate: float, budget_left: float, requests_left: int) -> float:
                if view.tick == 2:
                    raise ZeroDivisionError("mine")
                return 0.1

            return RequestFunction(bid)

    world = World(TINY, {"bidding": {0: Failing()}}, engine=engine)
    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        world.run()
    with pytest.raises(MarketError, match=r"was stopped in the middle of an event.*ZeroDivisionError: mine"):
        world.run()


@pytest.mark.parametrize("bid", [-1.0, float("nan"), float("inf")])
def test_what_it_may_not_bid_is_refused(bid: float) -> None:
    class Wrong(BidPolicy):
        def decide(self, view: BidView) -> RequestFunction:
            return RequestFunction(lambda *request: bid)

    with pytest.raises(PolicyError, match=r"^the rule of campaign 'c2' bid a negative or non-finite amount$"):
        World(TINY, {"bidding": {2: Wrong()}}).run()


def test_decisions_that_are_none() -> None:
    class Wrong(BidPolicy):
        def decide(self, view: BidView) -> Any:
            return RequestFunction(0.3)  # type: ignore[arg-type]

    with pytest.raises(PolicyError, match=r"^the RequestFunction of Wrong needs a function of a request, not 0\.3$"):
        World(TINY, {"bidding": {2: Wrong()}}).run()
    funnel = TINY.override({"funnel": {"levels": [{"recall": 5, "rough": 4, "fine": 3}]}})
    with pytest.raises(PolicyError, match="bids by request, but behind a funnel a campaign does not meet every request"):
        World(funnel, {"bidding": Python()}).run()


def test_it_may_give_way_to_a_multiplier() -> None:
    class Changing(Python):
        def decide(self, view: BidView) -> Any:
            return RequestFunction(self.bid) if view.tick % 2 else Multiplier(1.0)

    world = World(TINY, {"bidding": {0: Changing()}})
    world.run()
    assert np.isnan(world.ledger.multiplier[1::2, 0]).all()
    assert (world.ledger.multiplier[::2, 0] == 1.0).all()


@pytest.mark.parametrize("parts", [1, 100])
def test_in_a_replay_it_bids_as_in_a_world(parts: int) -> None:
    dice = np.random.default_rng(0)
    price = dice.integers(1, 200, 3000)
    log = Log(price / parts if parts > 1 else price, dice.uniform(0.001, 0.02, 3000), dice.integers(0, 2, 3000).astype(np.int8))
    history = PriceHistory.of(log)
    rule_, function = replay(log, Compiled(), history), replay(log, Python(), history)
    assert rule_.impressions == function.impressions > 0
    assert rule_.spend == pytest.approx(function.spend)

    class Failing(BidPolicy):
        def decide(self, view: BidView) -> RequestFunction:
            return RequestFunction(lambda *request: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        replay(log, Failing(), history)
