"""Who decides on pacing, campaigns that bid in every form, and a digest of what comes of both."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from adarena.simulator import (
    BidPolicy,
    BidView,
    ChunkBids,
    Multiplier,
    RequestFunction,
    RequestRule,
    Scenario,
    World,
    rule,
)
from adarena.simulator.seats.pacing.decisions import PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

TINY = Scenario.preset("tiny")
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 300.0}})
SMALL_FEED = {
    "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
    "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}, {"recall": 0, "rough": 0, "fine": 4, "after_wait_s": 0.2}],
    "serving.servers": 2, "serving.service_s": 20.0, "serving.deadline_s": 60.0, "rates.click_rate": 0.02,
}  # fmt: skip


class Paced(PacingPolicy):
    """One decision, whatever is seen; what was seen is kept."""

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self.seen: list[PacingView] = []

    def decide(self, view: PacingView) -> Any:
        self.seen.append(view)
        return self.decision


def books(world: World) -> str:
    """A digest of all that is kept of the campaigns but the bids themselves."""
    ledger = world.ledger
    return blake2b(b"".join(a.tobytes() for a in (ledger.counts, ledger.sums, ledger.left, ledger.market_price))).hexdigest()


# What campaigns bid, paced by themselves: each form with all bids multiplied by a factor.


@rule
def spends_evenly(rate: float, budget_left: int, requests_left: int, state: Any) -> float:
    """Every third request is left to others; state: requests asked for, target, factor."""
    state[0] += 1.0
    if state[0] % 3 == 0:
        return 0.0
    return state[2] * min(state[1] * rate, 4.0 * budget_left / max(requests_left, 1))


class Bids(BidPolicy):
    """Bids in one form, from the first tick on, times a factor."""

    def __init__(self, form: str, factor: float) -> None:
        self.form, self.factor = form, factor

    def decide(self, view: BidView) -> Any:
        if view.tick:
            return None
        target, factor = view.target.copy(), self.factor
        if self.form == "multiplier":
            return Multiplier(1.25 * factor)
        if self.form == "rule":
            state = np.column_stack([np.zeros_like(target), target / view.rule_unit, np.full_like(target, factor)])
            return RequestRule(spends_evenly, state)
        if self.form == "chunk":
            return ChunkBids(lambda r: factor * r.rate * target[:, None] * (1 + r.number % 3))

        def bid(campaign: int, rate: float, budget_left: float, requests_left: int) -> float:
            return float(factor * min(target[campaign] * rate, 4.0 * budget_left / max(requests_left, 1)))

        return RequestFunction(bid)
