"""The compute suite: the serving layer is handed to each policy in turn, on the same days, with the same requests and outages.

Yardsticks, each of that very day: the best constant depth (static hindsight), the best ladder by wait, an oracle of arrivals,
a hindsight plan, all three played in the market, and what one price for all server seconds bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...agents.compute.static import Static
from ...agents.hindsight.compute import one_price_bound
from ...agents.hindsight.compute_plans import best_ladder, hindsight_plan, oracle_of_arrivals
from ...envs.compute import servers_cost
from ...simulator.delivery.queue import Served, revenue_of
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.compute.decisions import ComputePolicy
from ...simulator.world import World
from ..comparison.suite import Case, Metric, Panel, Shown, Suite, against_hindsight

DEPTHS = np.linspace(0.0, 1.0, 21).tolist()  # of the constants that static hindsight tries
SCORE = "revenue less the price of servers"


class Compute(Suite[World]):
    """How deep the funnel goes. Money in currency."""

    seat, unit, eligible, constant = "compute", "market", "the serving layer as a whole", "depth"
    scenario, reference, tuned = "compute-small", "static", ("static", "ladder", "greedy", "dcaf", "cras", "mpc", "tilted_mpc")
    compared = ("planned", "random", "static", "ladder", "greedy", "dcaf", "cras", "mpc", "tilted_mpc")
    mixes: ClassVar[Mapping[str, str]] = {"truthful": "campaigns bid their targets"}
    numbers: ClassVar[Mapping[str, str]] = {
        "score": SCORE,
        "revenue": "charged, and owed for conversions",
        "servers_cost": "the price of the servers that worked",
        "requests": "that came",
        "lost": "of them, answered too late or not at all",
        "server_s": "seconds of servers that worked",
        "utilisation": "mean over ticks of what was asked of the servers, as far as they could, over what they could",
        "over_utilisation": "mean over ticks of what was asked beyond that",
        "p99_ms": "time in which 99% of the answers came",
        "bound": "on expected revenue, given requests, servers and worth of the day",
        "best_ladder": "score of the day's best ladder by wait",
        "oracle": "score of who knows the requests and servers of each interval as it begins",
        "plan": "score of a plan laid down in knowledge of the day's requests, servers and worth",
    }
    known = ("best_ladder", "oracle", "plan")
    metrics = (
        *against_hindsight("depth", "score", f"score ({SCORE})", rivals=False),
        Metric(
            "share_of_one_price_bound", "ratio", "revenue", "bound",
            Shown("bound"), Shown("of the day's bound", interval=True),
            "bound: revenue over what one price for all server seconds of the day bounds.",
            "The day's bound",
            "What the day's requests, at their worth, could be expected to earn with its server seconds if nobody waited and "
            "work moved freely over the day: the least, over a price of a server second, of what requests are worth beyond it "
            "and all seconds at that price.",
        ),
        Metric(
            "share_of_hindsight_plan", "ratio", "score", "plan", Shown("plan"), Shown("of hindsight plan", interval=True),
            "plan: score over that of a plan that knows all requests, servers and worth of the day.",
            "Hindsight plan",
            "A depth for each interval and tier, searched in knowledge of the day's very requests, of what each asks of a "
            "server, of outages and of what requests are worth (not of who clicks), and then played in the market. No search "
            "is exhaustive, so it is a lower bound of what such knowledge could earn.",
        ),
        Metric(
            "share_of_oracle_of_arrivals", "ratio", "score", "oracle", Shown("oracle"), Shown("of oracle of arrivals"),
            "oracle: over who knows the requests and servers of each interval as it begins.",
            "Oracle of arrivals",
            "Knows how many requests of each tier come in the interval that begins and how many servers work, but not what "
            "requests are worth, and plans that interval by itself: what a perfect forecast is worth to who looks no further.",
        ),
        Metric(
            "share_of_best_ladder", "ratio", "score", "best_ladder", Shown("ladder"), Shown("of best ladder"),
            "ladder: over the day's best ladder by wait.",
            "Best ladder",
            "The best of that very day of many ladders, which give less to requests that have waited, in two steps: searched "
            "by average earnings, the first few of them played in the market. Like static hindsight it knows the day and "
            "decides once.",
        ),
        Metric("revenue", "mean", "revenue", page=Shown("revenue a day", ",.0f")),
        Metric(
            "share_lost", "ratio", "lost", "requests", Shown("lost", ".0%"), Shown("requests lost", ".1%"),
            "lost: share of requests answered too late or not at all.",
            "Requests lost", "Answered after the deadline, or given up after a wait as long as that.",
            Panel("Requests lost", "share of requests answered too late or not at all", True),
        ),
        Metric("p99_ms", "mean", "p99_ms", page=Shown("p99 [ms]", ",.0f")),
        Metric(
            "utilisation", "mean", "utilisation", None, None, Shown("utilisation", ".1%"), "",
            "Utilisation and over-utilisation",
            "Means over ticks of min(C, M) / M and of max(C - M, 0) / M, C the server seconds that requests asked for under "
            "the quotas they met, M those there were (as in MaRCA, arXiv 2512.24325).",
        ),
        Metric("over_utilisation", "mean", "over_utilisation", page=Shown("over-utilisation", ".1%")),
        Metric("revenue_per_server_second", "ratio", "revenue", "server_s", page=Shown("revenue a server second", ".3f")),
    )  # fmt: skip

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        return World(scenario, {"compute": policy}, seed=case.seed)

    def score(self, world: World, case: Case) -> float:
        return _score(world)

    def measure(self, world: World, case: Case) -> dict[str, float]:
        assert world.serving is not None
        counts, seconds = world.serving.counts.sum(axis=0), world.serving.capacity.sum() * world.scenario.tick_us / 1e6
        used, over = world.serving.utilisation()
        return {
            "revenue": _revenue(world),
            "servers_cost": servers_cost(world),
            "requests": int(counts[Served.ARRIVED]),
            "lost": int(counts[Served.LATE] + counts[Served.GAVE_UP]),
            "server_s": float(seconds),
            "utilisation": used,
            "over_utilisation": over,
            "p99_ms": world.serving.quantiles(0.99),
            "bound": one_price_bound(world),
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        def scored(policy: ComputePolicy) -> float:
            world = World(scenario, {"compute": policy}, seed=case.seed)
            world.run()
            return _score(world)

        return {
            "best_ladder": best_ladder(scenario, case.seed, scored).score,
            "oracle": scored(oracle_of_arrivals(scenario, case.seed)),
            "plan": scored(hindsight_plan(scenario, case.seed)),
        }

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Static]:
        return [Static(depth, depth) for depth in DEPTHS]

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no constant depth earns anything on the day of seed {case.seed}, so there is no yardstick for it: "
            "servers cost more than requests bring, or no request is served in time"
        )


def _score(world: World) -> float:
    return _revenue(world) - servers_cost(world)


def _revenue(world: World) -> float:
    assert world.serving is not None
    return float(revenue_of(world.serving.counts.sum(axis=0)))


COMPUTE = Compute()
