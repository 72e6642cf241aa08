"""The allocation suite: each policy in turn allocates all pages of the same worlds, with the same users, requests and luck.

Yardsticks, each of that very world: the best fixed pattern (static hindsight), and a programme that is told how patient each
user is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...agents.allocation.fixed import Fixed
from ...agents.hindsight.allocation import Told
from ...simulator.response.pages import PageSum
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..comparison.suite import Case, Frontier, Metric, Panel, Shown, Suite, against_hindsight

SCORE = "true expected charges for ads, and the worth of organic items seen"
YARDSTICK = against_hindsight("pattern", "score", f"score ({SCORE})", rivals=False)


class Allocation(Suite[World]):
    """Which places of pages carry ads. Money in currency, sums over all days of a world."""

    seat, unit, eligible, constant = "allocation", "market", "all users of a world", "pattern"
    scenario, reference = "allocation-small", "shadow"
    compared = (
        "never", "usual", "most", "every", "fixed", "threshold", "gap", "gap_effect", "myopic", "shadow", "state", "planned",
        "hinted", "believed",
    )  # fmt: skip
    tuned = ("every", "fixed", "threshold", "gap", "gap_effect", "shadow", "state")
    mixes: ClassVar[Mapping[str, str]] = {"truthful": "campaigns bid their targets"}
    numbers: ClassVar[Mapping[str, str]] = {
        "score": SCORE,
        "revenue": "true expected charges for the ads seen",
        "charged": "what campaigns paid",
        "organic": "worth of the organic items seen",
        "users": "that there are",
        "sessions": "begun",
        "kept": "sessions that boredom did not end",
        "pages": "requests made",
        "ads": "seen",
        "told": "score of the programme that is told each user's patience",
    }
    known = ("told",)
    metrics = (
        *YARDSTICK,
        Metric(
            "share_of_told", "ratio", "score", "told", Shown("of told"), Shown("of the programme told patience", interval=True),
            "of told: score over that of a dynamic programme that is told how patient each user is.",
            "Programme told patience",
            "A dynamic programme over days, satisfaction and boredom that knows each user's rate of leaving, as nobody in the "
            "seat can. It plans with means of what a page brings, so that it is close to the best there is, and no bound.",
        ),
        Metric("revenue", "ratio", "revenue", "users", None, Shown("ad revenue a user", ".2f")),
        Metric("organic", "ratio", "organic", "users", None, Shown("organic worth a user", ".2f")),
        Metric("ads_a_page", "ratio", "ads", "pages", Shown("ads a page", ".2f"), Shown("ads seen a page", ".2f")),
        Metric(
            "pages", "ratio", "pages", "users", Shown("pages", ".0f"), Shown("pages a user", ".1f"), "", "", "",
            Panel("Pages looked at", "pages a user"),
        ),
        Metric("sessions", "ratio", "sessions", "users", None, Shown("sessions a user", ".2f")),
        Metric(
            "sessions_kept", "ratio", "kept", "sessions", None, Shown("sessions kept", ".1%"), "", "Sessions kept",
            "Sessions that ended because their users had seen enough, and not because ads had bored them.",
        ),
    )  # fmt: skip
    frontier = Frontier(
        "frontier", "pages", "revenue",
        "What a policy earns by ads, over how many pages its users look at: more ads earn more a page, and drive users away. "
        "The score adds the worth of organic items, which comes with pages.",
    )  # fmt: skip

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        return World(scenario, {"allocation": policy}, seed=case.seed)

    def score(self, world: World, case: Case) -> float:
        assert world.pages is not None
        return float(world.pages.score.sum())

    def measure(self, world: World, case: Case) -> dict[str, float]:
        assert world.pages is not None
        sums = world.pages.users.sum(axis=0)
        return {
            "revenue": float(sums[PageSum.REVENUE]),
            "charged": float(sums[PageSum.CHARGED]),
            "organic": world.pages.organic_value * float(sums[PageSum.CONTENT]),
            "users": world.scenario.users.count,
            "sessions": float(sums[PageSum.SESSIONS]),
            "kept": float(sums[PageSum.SESSIONS] - sums[PageSum.CUT]),
            "pages": float(sums[PageSum.PAGES]),
            "ads": float(sums[PageSum.ADS]),
        }

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        world = World(scenario, {"allocation": Told(scenario)}, seed=case.seed)
        world.run()
        return {"told": self.score(world, case)}

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Fixed]:
        assert scenario.pages is not None
        return [Fixed(pattern) for pattern in range(len(scenario.pages.patterns(scenario.auction.slots)))]

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no pattern brings anything in the world of seed {case.seed}: nobody comes, or ads and content are worth nothing"
        )


ALLOCATION = Allocation()
