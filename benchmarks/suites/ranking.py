"""The ranking suite: each ranker in turn has the same runs, with the same users, new ads, requests and luck.

Yardsticks, each of that very run: the best constant pair of squashing and cost (static hindsight), and a ranker that knows
every click rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...agents.hindsight.ranking import Knows
from ...agents.ranking.constant import Constant
from ...agents.ranking.goal import left, score
from ...simulator.engine.state import Count
from ...simulator.response.visits import Visit
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.ranking.decisions import Weights
from ...simulator.world import World
from ..comparison.suite import Case, Frontier, Metric, Panel, Shown, Suite, against_hindsight

SCORE = "true expected value to advertisers, and the worth of the satisfaction that is left"
YARDSTICK = against_hindsight("pair of squashing and cost", "score", f"score ({SCORE})", rivals=False)
SQUASHINGS, COSTS = (1.0, 1.5, 2.0), (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.1)


class Ranking(Suite[World]):
    """How ads are ranked. Money in currency, sums over all days of a run."""

    seat, unit, eligible, constant = "ranking", "market", "all ads of a market", "pair"
    scenario, reference = "ranking-small", "constant"
    compared = (
        "random", "newest", "popularity", "bid_only", "pctr_only", "ecpm", "squashed", "user_cost", "constant",
        "epsilon_greedy", "ucb", "thompson",
    )  # fmt: skip
    tuned = ("squashed", "user_cost", "constant", "epsilon_greedy", "ucb", "thompson")
    mixes: ClassVar[Mapping[str, str]] = {"truthful": "campaigns bid their targets"}
    numbers: ClassVar[Mapping[str, str]] = {
        "score": SCORE,
        "value": "true expected value of the impressions seen, to advertisers",
        "content_left": "worth of the visits that the satisfaction left at the end will bring",
        "revenue": "what all campaigns paid",
        "impressions": "ads seen",
        "clicks": "on them",
        "boring": "ads seen and not clicked, which users bear",
        "planned": "requests that users would have made without ads",
        "made": "of them",
        "satisfaction": "mean over users at the end, 1 without ads",
        "truth": "score of a ranker that knows every click rate, under the best of some constant pairs",
    }
    known = ("truth",)
    metrics = (
        *YARDSTICK,
        Metric(
            "share_of_truth", "ratio", "score", "truth", Shown("of truth"), Shown("of the ranker that knows", interval=True),
            "of truth: score over that of a ranker that knows every click rate, under the best of some constant pairs.",
            "Ranker that knows",
            "Ranks by the true click rate of each ad for each user, under the pair of squashing and cost that is best for it "
            "in that run: what a perfect model of clicks would bring. It explores nothing, since nothing is to be found out.",
        ),
        Metric(
            "value", "mean", "value", None, Shown("value", ",.0f"), Shown("value a run", ",.0f"), "",
            panel=Panel("Value to advertisers", "currency a run"),
        ),
        Metric(
            "content_left", "mean", "content_left", None, Shown("left", ",.0f"), Shown("left at the end", ",.0f"),
            "left: what the visits are worth that satisfied users will still make.", "Left at the end",
            "For each user as many requests as satisfaction lasts for, times the share of visits made at the satisfaction that "
            "is left, at what a request is worth on an even day. Without it, to show more ads in the last days would pay.",
        ),
        Metric("revenue", "mean", "revenue", None, Shown("revenue", ",.0f"), Shown("revenue a run", ",.0f")),
        Metric(
            "users_cost", "ratio", "boring", "made", Shown("ads borne"), Shown("ads borne a request", ".2f"), "",
            "Ads borne", "Ads seen and not clicked, a request: what users bear.",
        ),
        Metric(
            "returns", "ratio", "made", "planned", Shown("returns", ".1%"), Shown("requests made of those planned", ".1%"),
            "returns: requests made of those that users would have made without ads.",
            panel=Panel("Requests made", "share of those planned", True),
        ),
        Metric("satisfaction", "mean", "satisfaction", None, None, Shown("satisfaction left")),
        Metric("click_rate", "ratio", "clicks", "impressions", None, Shown("clicks an impression", ".2%")),
    )  # fmt: skip
    frontier = Frontier(
        "frontier", "returns", "value",
        "What impressions are worth to advertisers over how many of the planned requests are made: ads are worth more at once, "
        "and keep users away. The score adds what is left at the end.",
    )  # fmt: skip

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        return World(scenario, {"ranking": policy}, seed=case.seed)

    def score(self, world: World, case: Case) -> float:
        return score(world)

    def measure(self, world: World, case: Case) -> dict[str, float]:
        counts = world.ledger.counts[: world.ledger.closed].sum(axis=(0, 2))
        made, planned, satisfaction = world.played, world.played, 1.0
        if world.visits is not None:
            planned = int(world.visits.counts[:, Visit.PLANNED].sum())
            satisfaction = float(world.visits.satisfaction.mean())
        return {
            "value": float(world.ledger.value().sum()),
            "content_left": left(world),
            "revenue": float(world.ledger.spend().sum()),
            "impressions": int(counts[Count.IMPRESSIONS]),
            "clicks": int(counts[Count.CLICKS]),
            "boring": int(counts[Count.IMPRESSIONS] - counts[Count.CLICKS]),
            "planned": planned,
            "made": made,
            "satisfaction": satisfaction,
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        def scored(pair: Constant) -> float:
            world = World(scenario, {"ranking": Knows(scenario, case.seed, Weights(pair.squashing, pair.cost))}, seed=case.seed)
            world.run()
            return score(world)

        return {"truth": max(scored(pair) for pair in pairs() if pair.squashing == SQUASHINGS[1])}

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Constant]:
        return pairs()

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return f"no constant pair of squashing and cost brings anything in the run of seed {case.seed}: nobody comes, or bids"


def pairs() -> list[Constant]:
    """The pairs that are tried."""
    return [Constant(squashing, cost) for squashing in SQUASHINGS for cost in COSTS]


RANKING = Ranking()
