"""Markets in which the ranking seat is tried, one policy that decides what it is told, and what came of a run."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from tapes import Tape, give_tape

from adarena.simulator import Scenario, World
from adarena.simulator.seats.ranking.decisions import RankingPolicy
from adarena.simulator.seats.ranking.view import RankingView

TINY = Scenario.preset("tiny").override({"demand.budget_share": None, "fatigue": None})
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 300.0}})
FEED = Scenario.preset("feed").override(
    {
        "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
        "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}], "serving.servers": 2, "serving.service_s": 20.0,
        "serving.deadline_s": 60.0, "rates.click_rate": 0.02, "demand.budget_share": None, "demand.frequency_cap": None,
        "sessions": None, "fatigue": None,
    }
)  # fmt: skip
MARKETS = {"at once": TINY, "with servers": WITH_SERVERS, "funnel": FEED}
ENGINES = ("compiled", "events")
ONE_AD = TINY.override({"demand.ads_per_campaign": 1})
COLD = ONE_AD.override({"rates.new_share": 0.5, "rates.learning": {"shape": 1.5}, "days": 2})


class Ranks(RankingPolicy):
    """Decides from tick to tick what a list says; what was seen is kept."""

    def __init__(self, *decisions: Any) -> None:
        self.decisions = decisions

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self.seen: list[RankingView] = []

    def decide(self, view: RankingView) -> Any:
        self.seen.append(view)
        return self.decisions[view.told.tick % len(self.decisions)]


def played(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> World:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    world.run()
    return world


def taped(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> Tape:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    read = give_tape(world, 50_000)
    world.run()
    return read()


def books(world: World) -> str:
    """A digest of all that is kept."""
    ledger = world.ledger
    arrays = (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price)
    return blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()
