"""What worlds share cannot be written to: who changes a market for one world would change it for all to come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adarena.simulator import Scenario, World
from adarena.simulator.market.market import build
from adarena.simulator.scenario.presets import PRESETS

SMALL = {"feed", "overload", "coldstart", "search"}  # once they are made so
CUT = {"users.count": 500, "demand.campaigns": 12, "traffic.requests_per_day": 2_000}


def arrays(thing: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Every array that can be reached from a thing, with the way to it."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield path, thing
    elif isinstance(thing, tuple | list):
        names = getattr(thing, "_fields", range(len(thing)))
        for name, item in zip(names, thing, strict=True):
            yield from arrays(item, f"{path}.{name}", seen)
    elif isinstance(thing, dict):
        for name, item in thing.items():
            yield from arrays(item, f"{path}.{name}", seen)
    elif type(thing).__module__.startswith("adarena") and hasattr(thing, "__dict__"):
        for name, item in vars(thing).items():
            yield from arrays(item, f"{path}.{name}", seen)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_two_worlds_share_nothing_that_can_be_written_to(preset: str) -> None:
    scenario = Scenario.preset(preset).override(CUT if preset in SMALL else {"traffic.requests_per_day": 2_000})
    one, other = (dict(arrays(World(scenario, seed=seed))) for seed in (0, 1))
    shared = {
        (path, second)
        for path, array in one.items()
        if array.size and array.flags.writeable
        for second, its in other.items()
        if its.size and np.may_share_memory(array, its)
    }
    assert not shared
    market = build(scenario)
    assert not [path for path, array in arrays(market) if array.flags.writeable]


@pytest.mark.parametrize("name", ["budget", "target", "value", "prior", "conversion_rate", "billing"])
def test_a_table_of_campaigns_refuses_to_be_changed(name: str) -> None:
    world = World(Scenario.preset("tiny"), seed=0)
    with pytest.raises(ValueError, match="read-only"):
        getattr(world.campaigns, name)[:] = 1
    with pytest.raises(ValueError, match="read-only"):
        world.forecast[0] = 1
