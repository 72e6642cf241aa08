"""Pacing and auction seats held together, with deeds at odd times: engines and shards agree, and nobody overspends."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import scenarios
from paced import books
from players import Pacer, Seller, actions, arrivals, may_squash, policies
from tapes import assert_same

from adarena.simulator import Scenario, World
from adarena.simulator.engine.state import Count
from adarena.simulator.shards import Sharded


def lived(scenario: Scenario, kinds: str, deeds: list[Any], seed: int, engine: Any) -> tuple[World, Any]:
    """A world in which all seats are held by those who react to what they see; and all that they saw."""
    pacer, seller = Pacer(), Seller(may_squash(scenario))
    count = len(World(scenario).campaigns.names)
    paced = {k: pacer for k in range(count) if k % 3 != 2}
    bidders = policies(kinds)
    world = World(scenario, {"bidding": bidders, "pacing": paced, "auction": seller}, seed, engine)
    for deed in deeds:
        world.process(deed.process(world))
    world.run()
    return world, (bidders, pacer.seen, seller.seen)


@pytest.mark.parametrize("kind", ["plain", "served", "funnel", "people"])
@settings(max_examples=25)
@given(data=st.data())
def test_engines_agree_where_all_seats_are_held(kind: str, data: st.DataObject) -> None:
    """To the last bit, in random markets, with deeds of users at any time: prices, pace and rules among them."""
    served = kind == "served" or (kind != "plain" and data.draw(st.booleans()))
    scenario = data.draw(scenarios(most_requests=800, served=served, funnel=kind == "funnel", people=kind == "people"))
    seed = data.draw(st.integers(0, 1 << 40))
    count = len(scenario.demand.advertisers)  # type: ignore[union-attr]
    kinds = data.draw(st.text("-mM" if kind == "funnel" else "-mcrxMCRX", min_size=count, max_size=count))
    deeds = data.draw(actions(scenario, arrivals(scenario, seed)))
    one, two = (lived(scenario, kinds, deeds, seed, engine) for engine in ("compiled", "events"))
    assert_same((one[0], one[1][0]), (two[0], two[1][0]))
    assert one[1][1:] == two[1][1:]
    for name in ("pace", "taking"):
        assert getattr(one[0].ledger, name).tobytes() == getattr(two[0].ledger, name).tobytes()


SHARDED: dict[str, tuple[str, dict[str, Any]]] = {
    "bidding": ("bidding-small", {"traffic.requests_per_day": 4000}),
    "vcg": ("uniform", {"traffic.requests_per_day": 3000, "auction.pricing": "vcg", "auction.slots": 2,
                        "auction.exposure": [1.0, 0.6], "ticks_per_day": 24}),
    "everything": ("tiny", {"days": 2, "creatives": {}, "fatigue": {}, "demand.frequency_cap": 3, "auction.squashing": 0.7,
                            "demand.billing": "cpa"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARDED)
def test_one_shard_is_the_plain_market_where_all_seats_are_held(name: str) -> None:
    """To the bit, with campaigns paced, throttled, reserved and squashed by seats and by processes, in ticks and within."""
    preset, changes = SHARDED[name]
    scenario = Scenario.preset(preset).override(changes)

    def process(world: World) -> Generator[simpy.Event, Any, None]:
        yield world.at(days=0.31, seconds=13e-6)
        world.set_pace(0, 0.4)
        world.set_reserve(0.02, 1)
        yield world.at(days=0.4, seconds=7.7)
        world.set_pace(1, 0.9, 0.5)
        world.set_squashing(0.3)
        yield world.env.timeout(12_345)
        world.set_reserve(1e-3)
        world.set_squashing(1.0)

    found = []
    for engine in ("compiled", Sharded(1)):
        pacer, seller = Pacer(), Seller()
        world = World(scenario, {"pacing": {0: pacer, 1: pacer}, "auction": seller}, 7, engine)
        world.process(process(world))
        world.run()
        found.append((books(world), world.ledger.pace.tobytes(), world.ledger.taking.tobytes(), pacer.seen, seller.seen))
        assert world.ledger.is_paced
        assert world.ledger.counts[:, Count.WINS].sum() > 500
    assert found[0] == found[1]


@pytest.mark.parametrize("engine", ["compiled", "events", Sharded(4)])
@pytest.mark.parametrize("billing", ["cpm", "cpc", "cpa"])
def test_no_budget_is_overspent(engine: Any, billing: str) -> None:
    scenario = Scenario.preset("bidding-small").override(
        {"traffic.requests_per_day": 3000, "users.count": 300, "demand.campaigns": 6, "demand.billing": billing}
    )
    world = World(scenario, {"pacing": Pacer(), "auction": Seller()}, 1, engine)
    budgets = [20.0, 2.0, 0.3, 0.01, 2e-6, 5.0]
    for k, budget in enumerate(budgets):
        world.set_budget(k, budget)
    world.run()
    spent = world.ledger.spend().sum(axis=0)
    assert (np.rint(spent * 1e6) <= np.array(budgets) * 1e6).all()
    assert world.ledger.left.min() >= 0
    assert spent.sum() > 1
