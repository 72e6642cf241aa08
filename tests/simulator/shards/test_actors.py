"""Shards on Ray are those of this process, to the bit; one that dies ends the run with a sentence."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from test_sharded import MARKETS, books, lived

from adarena.agents.bidding import PID
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.shards import Sharded, actors
from adarena.simulator.shards.actors import Actors

TINY = Scenario.named("tiny")


@pytest.mark.parametrize("name", ["bidding", "everything"])
def test_actors_are_as_shards_here(name: str, cluster: Any) -> None:
    preset, changes = MARKETS[name]
    scenario = Scenario.preset(preset).override(changes)
    here, there = lived(scenario, Sharded(2)), lived(scenario, Sharded(2, places=Actors))
    assert here.played == there.played
    for (label, one), (_, other) in zip(books(here), books(there), strict=True):
        assert one.tobytes() == other.tobytes() if one.dtype != object else one.tolist() == other.tolist(), label


def test_an_actor_that_dies_ends_the_run(cluster: Any) -> None:
    import ray

    world = World(TINY, {"bidding": PID()}, 0, Sharded(2, places=Actors))
    world.run(TINY.tick_us)
    ray.kill(world._engine._places._shards[1])  # type: ignore[attr-defined]
    with pytest.raises(MarketError, match="a shard has died"):
        world.run()


def test_actors_of_other_code_are_refused(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors, "code", lambda: "0.0 (another)")
    with pytest.raises(MarketError, match="shards run other code than this process"):
        World(TINY, {}, 0, Sharded(2, places=Actors))


def test_ray_is_to_be_started_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'adarena[ray]'")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(MarketError, match="need it started or joined first"):
        World(TINY, engine=Sharded(2, places=Actors))


def test_without_ray_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MarketError, match=r"pip install 'adarena\[ray\]'"):
        World(TINY, engine=Sharded(2, places=Actors))
