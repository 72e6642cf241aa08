"""Blocks that compiled code draws by itself are, to the last bit, those that Python has drawn step by step."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import simpy

from adarena.agents.bidding import PID
from adarena.simulator import Scenario, World
from adarena.simulator.engine.state import Control

FEW = {"traffic.requests_per_day": 6_000}
PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "one ad": ("bidding-small", {}),
    "several ads": ("tiny", {"days": 2}),
    "targets": ("bidding-tcpa", {}),
    "drawn rates": ("uniform", {}),
    "normal rates": ("uniform", {"rates": {"kind": "normal", "mean": 0.4, "sigma": 0.02, "belief_noise": 0.01}}),
    "even arrivals": ("tiny", {"traffic.arrivals": "even"}),
    "late reports": ("tiny", {"demand.billing": "cpa", "days": 2}),
}
OTHERS = {
    "sessions": {"sessions": {"mean_requests": 4.0}}, "caps": {"demand.frequency_cap": 3},
    "squashing": {"auction.squashing": 0.7}, "even rotation": {"demand.even_rotation": 0.5}, "fatigue": {"fatigue": {}},
}  # fmt: skip


def market(name: str, changes: dict[str, Any]) -> Scenario:
    return Scenario.preset(name).override({**FEW, **changes})


def drawn_by_python(world: World) -> World:
    """The same world, in whose blocks somebody else is interested."""
    world._exchange.blocks.on_block.append(lambda: None)
    return world


def is_drawn_alone(world: World) -> bool:
    """Whether compiled code draws blocks by itself, as it did when it played last."""
    return bool(world._exchange.state.control[Control.DRAWER])


def books(world: World) -> tuple[bytes, ...]:
    ledger, state = world.ledger, world._exchange.state
    kept = ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price, state.block.users, state.bids.rate
    return tuple(array.tobytes() for array in kept)


@pytest.mark.parametrize("kind", PLAIN)
def test_it_is_what_python_draws(kind: str) -> None:
    scenario = market(*PLAIN[kind])
    one, other = World(scenario, {"bidding": PID()}, seed=5), drawn_by_python(World(scenario, {"bidding": PID()}, seed=5))
    for world in (one, other):
        world.run()
    assert is_drawn_alone(one)
    assert not is_drawn_alone(other)
    assert one.ledger.impressions().sum() > 0
    assert books(one) == books(other)


def test_traffic_may_surge_within_a_block() -> None:
    def surges(world: World) -> Generator[simpy.Event, Any, None]:
        for hours, factor in ((6.3, 2.0), (7.1, 0.5), (15.7, 3.0)):
            yield world.at(hours=hours)
            world.surge(factor)

    def played(world: World) -> World:
        world.process(surges(world))
        world.run()
        return world

    worlds = [World(market("bidding-small", {}), {"bidding": PID()}, seed=6) for _ in range(3)]
    alone, by_python, plain = played(worlds[0]), played(drawn_by_python(worlds[1])), worlds[2]
    plain.run()
    assert books(alone) == books(by_python)
    assert alone.played != plain.played


def test_who_draws_may_change_within_a_day() -> None:
    """Some look at blocks from an hour on, and others as long as there are offers."""
    scenario = market("bidding-small", {})
    one, other = (World(scenario, {"bidding": PID()}, seed=7) for _ in range(2))
    one.run(until=one.hours(9.4))
    assert is_drawn_alone(one)
    drawn_by_python(one)
    one.run(until=one.hours(13.2))
    assert not is_drawn_alone(one)
    one._exchange.blocks.on_block.pop()
    one.run()
    assert is_drawn_alone(one)
    other.run()
    assert books(one) == books(other)


@pytest.mark.parametrize("kind", OTHERS)
def test_where_more_matters_python_draws(kind: str) -> None:
    world = World(market("tiny", OTHERS[kind]), {"bidding": PID()}, seed=8)
    world.run()
    assert not is_drawn_alone(world)
    assert world.played > 0
