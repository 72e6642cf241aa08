"""Markets in which the ranking seat is tried, one policy that decides what it is told, and what came of a run."""

from __future__ import annotations

from typing import Any

from seat_markets import TINY, InTurn
from tapes import Tape, give_tape

from adarena.simulator import Scenario, World
from adarena.simulator.seats.ranking.decisions import RankingPolicy

ONE_AD = TINY.override({"demand.ads_per_campaign": 1})
COLD = ONE_AD.override({"rates.new_share": 0.5, "rates.learning": {"shape": 1.5}, "days": 2})


class Ranks(InTurn, RankingPolicy):
    """Decides from tick to tick what a list says; what was seen is kept."""


def played(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> World:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    world.run()
    return world


def taped(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> Tape:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    read = give_tape(world, 50_000)
    world.run()
    return read()
