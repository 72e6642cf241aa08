"""The creative suite: all ads of a market are handed to each policy in turn, with the same users, impressions and luck.

A seed is a market of its own: other users, ads and tastes. So policies that are tuned on some ads are judged on others.
The yardstick is an oracle that knows the truth of creatives; beside it stand even rotation, the best creative of each ad for
all its impressions, and an oracle of appeals that knows nothing of segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ...agents.creative.even import EvenRotation
from ...agents.creative.one import One
from ...agents.hindsight.creative import Oracle
from ...envs.creative import market_of
from ...simulator.core.arrays import Floats
from ...simulator.core.books import Books, Tick
from ...simulator.delivery.rotation import CreativeCount, CreativeSum
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..comparison.suite import HINDSIGHT, Case, Curve, Metric, Panel, Shown, Suite


class ClickBooks(Books):
    """What clicks of each ad were truly expected by the end of each tick: `clicks` (ticks + 1, ads), from 0 on."""

    def __init__(self, world: World) -> None:
        assert world.creatives is not None
        self._books, self._first = world.creatives, world.creatives.portfolio.first[:-1]
        ticks = world.scenario.days * world.scenario.ticks_per_day
        self.clicks = np.zeros((ticks + 1, self._first.size))

    def close_tick(self, tick: Tick) -> None:
        """Adds up those of the creatives of each ad."""
        self.clicks[tick.number + 1] = np.add.reduceat(self._books.sums[CreativeSum.CLICKS], self._first)

    def to_frame(self) -> Any:
        """A row for each tick, and that before the first; a column for each ad."""
        import pandas as pd

        return pd.DataFrame(self.clicks)


class Cast(World):
    """A market of a seed's own, whose creatives one policy casts."""

    def __init__(self, scenario: Scenario, seed: int, policy: Any) -> None:
        super().__init__(market_of(scenario, seed), {"creative": policy}, seed=seed)
        self.expected = ClickBooks(self)
        self.books["expected clicks"] = self.expected

    @property
    def clicks(self) -> Floats:
        """True expected clicks of each ad, (ads,)."""
        found: Floats = self.expected.clicks[-1]
        return found


class Creative(Suite[Cast]):
    """Which of its creatives an ad shows."""

    seat, unit, eligible, constant, yardstick = "creative", "market", "all ads of a market", "oracle", "the oracle"
    scenario, reference = "creative-small", "hybrid_history"
    compared = (
        "even", "best", "epsilon_greedy", "ucb1", "thompson", "by_segment", "content", "linear_thompson", "linucb", "hybrid",
        "hybrid_history",
    )  # fmt: skip
    tuned = (
        "best",
        "epsilon_greedy",
        "ucb1",
        "thompson",
        "by_segment",
        "linear_thompson",
        "linucb",
        "hybrid",
        "hybrid_history",
    )
    mixes: ClassVar[Mapping[str, str]] = {"truthful": "campaigns bid their targets"}
    numbers: ClassVar[Mapping[str, str]] = {
        "score": "true expected clicks of all ads",
        "clicks": "that were made",
        "impressions": "of all ads",
        "conversions": "reported or not",
        "even": "true expected clicks under even rotation",
        "one": "the same if each ad showed the one creative that is best for it all day",
        "appeals": "the same of an oracle that knows appeals and fatigue but not segments",
    }
    known = ("even", "one", "appeals")
    metrics = (
        Metric(
            "share_of_oracle", "mean", "score", HINDSIGHT,
            Shown("of oracle", interval=True), Shown("of the oracle", interval=True),
            "of oracle: true expected clicks over those of who knows the truth of creatives; each market is of its own.",
            "Oracle",
            "Casts the creative that the very user most likely clicks, in truth, fatigue included. It looks no further than "
            "this impression.",
            Panel("Expected clicks as a share of the oracle's", "share of the oracle's expected clicks (red)", True),
        ),
        Metric(
            "difference_to_reference", "difference", "score", HINDSIGHT,
            Shown("minus", interval=True), Shown("minus", interval=True), "Differences are paired: the same ads and luck.",
            "Paired difference",
            "The share of the oracle's clicks minus that of the reference with the same ads, users, impressions and luck.",
        ),
        Metric(
            "over_even_rotation", "ratio", "score", "even", Shown("over even", ".3f"), Shown("over even rotation", ".3f"),
            "over even: expected clicks over those of even rotation.",
        ),
        Metric(
            "over_best_creative", "ratio", "score", "one", Shown("over one", ".3f"), Shown("over the best creative", ".3f"),
            "over one: over those of the one creative that is best for each ad.",
            "Best creative", "For each ad the one that is best for all its impressions, once it has come; found by trying all.",
        ),
        Metric(
            "over_appeals", "ratio", "score", "appeals", page=Shown("over appeals", ".3f"), term="Oracle of appeals",
            says="Knows fatigue and how a creative appeals to all, but not what segments make of it.",
        ),
        Metric("click_rate", "ratio", "clicks", "impressions", Shown("CTR", ".3%"), Shown("CTR", ".3%")),
    )  # fmt: skip
    curve = Curve(
        "regret",
        "clicks lost so far, over the oracle's",
        "the oracle",
        "Regret on the first markets: the oracle's expected clicks so far less the policy's, over all that it has in the day. "
        "Where requests come evenly, hours are impressions.",
    )

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> Cast:
        return Cast(scenario, case.seed, policy)

    def score(self, world: Cast, case: Case) -> float:
        return float(world.clicks.sum())

    def measure(self, world: Cast, case: Case) -> dict[str, float]:
        assert world.creatives is not None
        counts = world.creatives.counts.sum(axis=1)
        return {
            "clicks": int(counts[CreativeCount.CLICKS]),
            "impressions": int(counts[CreativeCount.IMPRESSIONS]),
            "conversions": int(counts[CreativeCount.CONVERSIONS]),
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        def clicks(policy: Any) -> Floats:
            world = Cast(scenario, case.seed, policy)
            world.run()
            return world.clicks

        assert scenario.creatives is not None
        each = [clicks(One(place)) for place in range(scenario.creatives.per_ad[1])]
        return {
            "even": float(clicks(EvenRotation()).sum()),
            "one": float(np.max(each, axis=0).sum()),
            "appeals": float(clicks(Oracle(market_of(scenario, case.seed), tastes=False)).sum()),
        }

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Oracle]:
        return [Oracle(market_of(scenario, case.seed))]

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return f"nobody is shown an ad in the market of seed {case.seed}, so there is no yardstick for it"

    def points(self, world: Cast, case: Case) -> Floats:
        best = _course(world.scenario, case.seed)
        lost: Floats = (best - world.expected.clicks.sum(axis=1)) / best[-1]
        return lost

    def ideal(self, scenario: Scenario) -> Floats:
        return np.zeros(scenario.days * scenario.ticks_per_day + 1)


@lru_cache(maxsize=32)
def _course(scenario: Scenario, seed: int) -> Floats:
    """The oracle's expected clicks by the end of each tick, (ticks + 1,), in a seed's own market."""
    world = Cast(scenario, seed, Oracle(scenario))
    world.run()
    course: Floats = world.expected.clicks.sum(axis=1)
    return course


CREATIVE = Creative()
