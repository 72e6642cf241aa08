"""Markets in which seats of the whole market are tried, what a policy does that decides in turn, and a digest of the books."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from adarena.simulator import Scenario, World

# Without budgets, sessions and caps, so that an auction depends on what came before it in nothing but the rules. Half of the
# winners bid more than .4 currency an impression, behind the funnel .2.
TINY = Scenario.preset("tiny").override({"demand.budget_share": None})
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


class InTurn:
    """Decides the same whenever it is asked, or from tick to tick what a list says; what was seen is kept."""

    def __init__(self, *decisions: Any) -> None:
        self.decisions = decisions

    def start(self, view: Any, dice: Any) -> None:
        self.seen: list[Any] = []

    def decide(self, view: Any) -> Any:
        self.seen.append(view)
        return self.decisions[view.told.tick % len(self.decisions)]


def books(world: World) -> str:
    """A digest of all that is kept."""
    ledger = world.ledger
    arrays = (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price)
    return blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()
