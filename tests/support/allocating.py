"""Markets of pages, whoever allocates them, and a digest of what comes of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from adarena.simulator import Scenario, World
from adarena.simulator.core.rules import row_rule
from adarena.simulator.engine.asking import Column
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageRule

SMALL = Scenario.preset("allocation-small").override(
    {"days": 2, "users.count": 80, "traffic.requests_per_day": 900, "demand.campaigns": 8, "ticks_per_day": 24}
)
SERVERS = {"servers": 1, "service_s": 60.0, "deadline_s": 400.0}
FUNNEL = {
    "recall": {"dimensions": 8}, "rough": {"dimensions": 12}, "levels": [{"recall": 20, "rough": 12, "fine": 8}],
}  # fmt: skip
MARKETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "budgets": {"demand.budget_share": 0.3, "auction.pricing": "first"},
    "vcg, per conversion": {"auction.pricing": "vcg", "demand.billing": "cpa", "demand.budget_share": 0.5},
    "second, per impression": {"auction.pricing": "second", "demand.billing": "cpm"},
    "servers": {"serving": SERVERS, "demand.budget_share": 0.4},
    "funnel on servers": {"serving": SERVERS, "funnel": FUNNEL, "demand.ads_per_campaign": 5},
    "everything else": {
        "fatigue": {}, "demand.frequency_cap": 3, "creatives": {}, "auction.squashing": 0.7, "sessions.patience.worn": 0.4,
        "response.organic": {"rate": 0.01},
    },
}  # fmt: skip
ENGINES = ("compiled", "events")
COUNT = 13


@row_rule
def by_worth(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Two ads where they pay, none where the user is bored; on every third page of a user chance decides."""
    own[0] += 1.0
    memory[0] += 1.0
    if own[0] % 3.0 == 0.0:
        for pattern in range(answer.size):
            answer[pattern] = 1.0 / answer.size
        return -1
    if view[Column.PAYS] > 0.4 * view[Column.CONTENT]:
        return 8
    return 0 if view[Column.BOREDOM] > 1.0 else 2


class Holder(AllocationPolicy):
    """Decides what it is made with, once, and keeps what it saw."""

    def __init__(self, decide: Any) -> None:
        self.make = decide

    def start(self, view: Any, dice: np.random.Generator) -> None:
        self.seen: list[Any] = []

    def decide(self, view: Any) -> Any:
        self.seen.append(view)
        return self.make(view) if len(self.seen) == 1 else None


def by_rule() -> Holder:
    return Holder(lambda view: PageRule(by_worth, np.zeros(1), np.zeros((view.facts.users, 1))))


def books(world: World) -> str:
    """A digest of all that is kept."""
    assert world.pages is not None
    assert world.visits is not None
    ledger = world.ledger
    arrays = (
        ledger.counts, ledger.sums, ledger.left, ledger.market_price, world.pages.users, world.pages.sums, world.visits.counts,
        world.visits.sums,
    )  # fmt: skip
    return blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()


def played(scenario: Scenario, policy: Any = None, engine: Any = "compiled", seed: int = 3, **more: Any) -> World:
    world = World(scenario, {} if policy is None else {"allocation": policy}, seed=seed, engine=engine, **more)
    world.run()
    return world
