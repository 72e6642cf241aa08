"""The auction suite: each policy in turn sets the rules of the auction, on the same days, with the same requests and luck.

Yardsticks, each of that very day: the best constant pair of reserve and squashing (static hindsight), and the best pair of each
tick, where nothing carries over from tick to tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...agents.auction.constant import Constant
from ...agents.auction.goal import ANNOYANCE, SURPLUS, Goal, mean_price
from ...agents.hindsight.auction import best_by_tick, pairs, ticks_are_apart
from ...simulator.core.arrays import Floats
from ...simulator.engine.state import Count
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..comparison.suite import Case, Metric, Panel, Results, Shown, Suite, against_hindsight

GOAL = Goal()
SCORE = f"revenue + {SURPLUS:g} x advertisers' surplus - {ANNOYANCE:g} x users' cost"
YARDSTICK = against_hindsight("pair of reserve and squashing", "score", f"score ({SCORE})", rivals=False)


class Auction(Suite[World]):
    """By what rules impressions are sold. Money in currency."""

    seat, unit, eligible, constant = "auction", "market", "the auction as a whole", "pair"
    scenario, reference = "auction-small", "constant"
    compared = ("usual", "constant", "schedule", "myerson", "empirical", "empirical_vertical", "local_search")
    tuned = ("constant", "schedule", "myerson", "empirical", "empirical_vertical", "local_search")
    mixes: ClassVar[Mapping[str, str]] = {"truthful": "campaigns bid their targets"}
    numbers: ClassVar[Mapping[str, str]] = {
        "score": SCORE,
        "revenue": "what all campaigns paid",
        "welfare": "true expected value of the impressions seen, to advertisers",
        "surplus": "welfare less revenue, which advertisers keep",
        "users_cost": "impressions seen and not clicked, at the mean price of an even day",
        "impressions": "slots won and seen",
        "slots": "that there were",
        "wins": "of them, sold",
        "by_tick": "score of the best pair of each tick; NaN where ticks depend on each other",
    }
    known = ("by_tick",)
    metrics = (
        *YARDSTICK,
        Metric(
            "share_of_best_by_tick", "ratio", "score", "by_tick", Shown("by tick"), Shown("of the best pair of each tick"),
            "by tick: score over that of the best pair of each tick, one reserve for all.",
            "Best pair of each tick",
            "Of some dozens of pairs of reserve and squashing, the best of every tick, found by playing the day under each. It "
            "knows the tick, but has one reserve for all verticals, so that policies with a reserve for each may exceed it.",
        ),
        Metric(
            "revenue", "mean", "revenue", None, Shown("revenue", ",.0f"), Shown("revenue a day", ",.0f"), "",
            panel=Panel("Revenue", "currency a day"),
        ),
        Metric(
            "surplus", "mean", "surplus", None, Shown("surplus", ",.0f"), Shown("surplus a day", ",.0f"),
            "surplus: value to advertisers less what they paid.",
            "Surplus", "True expected value of the impressions seen, less what advertisers paid for them.",
        ),
        Metric("welfare", "mean", "welfare", page=Shown("welfare a day", ",.0f")),
        Metric(
            "users_cost", "mean", "users_cost", None, None, Shown("users' cost", ",.0f"), "", "Users' cost",
            "Impressions seen and not clicked, each at the mean price of an impression on an even day.",
        ),
        Metric("share_sold", "ratio", "wins", "slots", Shown("sold", ".0%"), Shown("slots sold", ".1%")),
    )  # fmt: skip

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        return World(scenario, {"auction": policy}, seed=case.seed)

    def score(self, world: World, case: Case) -> float:
        return float(scores(world).sum())

    def measure(self, world: World, case: Case) -> dict[str, float]:
        counts = world.ledger.counts[: world.ledger.closed].sum(axis=(0, 2))
        revenue, welfare = float(world.ledger.spend().sum()), float(world.ledger.value().sum())
        unclicked, price = int(counts[Count.IMPRESSIONS] - counts[Count.CLICKS]), _price(world.scenario)
        return {
            "revenue": revenue,
            "welfare": welfare,
            "surplus": welfare - revenue,
            "users_cost": price * unclicked,
            "impressions": int(counts[Count.IMPRESSIONS]),
            "slots": world.played * world.scenario.auction.slots,
            "wins": int(counts[Count.WINS]),
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        def scored(pair: Constant) -> Floats:
            world = World(scenario, {"auction": pair}, seed=case.seed)
            world.run()
            return scores(world)

        return {"by_tick": best_by_tick(scenario, scored).score if ticks_are_apart(scenario) else float("nan")}

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Constant]:
        return pairs()

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no constant pair of reserve and squashing scores above 0 on the day of seed {case.seed}, so there is no "
            "yardstick for it: nobody bids, or users bear more than is earned"
        )

    def shown(self, results: Results) -> tuple[Metric, ...]:
        """The best pair of each tick is shown only where ticks are apart."""
        return tuple(m for m in self.metrics if m.over != "by_tick" or ticks_are_apart(results.scenario))


def scores(world: World) -> Floats:
    """The score of each closed tick, (ticks,)."""
    ledger = world.ledger
    counts = ledger.counts[: ledger.closed]
    unclicked = counts[:, Count.IMPRESSIONS] - counts[:, Count.CLICKS]
    found: Floats = np.asarray(GOAL.score(ledger.spend(), ledger.value(), unclicked, _price(world.scenario))).sum(axis=1)
    return found


def _price(scenario: Scenario) -> float:
    """The mean one of an impression on an even day, currency."""
    return mean_price(build(scenario).expected)


AUCTION = Auction()
