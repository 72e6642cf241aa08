"""The bidding suite: one campaign's bid seat is handed to each policy in turn, on the same days, against the same rivals.

The seat rotates over the campaigns whose budgets bind. Rivals are a mixture of classics: half PID, a quarter their multiplier
of an earlier day, a quarter mirror descent. Yardsticks: the best constant multiplier of that very day (static hindsight), and
the clairvoyant bound given the rivals' bids of the policy's own run.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...agents.bidding.rivals import MIXES, contested, rivals
from ...agents.hindsight.bounds import clairvoyant_bound, frontier_bound
from ...agents.hindsight.multiplier import multipliers
from ...agents.hindsight.scores import day_scores
from ...agents.hindsight.static import Scale
from ...agents.objectives import TARGETS
from ...simulator.core.arrays import Floats
from ...simulator.core.money import MICRO
from ...simulator.engine.record import unrecorded
from ...simulator.market.market import build
from ...simulator.scenario.forecast import forecast
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..comparison.suite import Case, Curve, Detail, Metric, Panel, Results, Shown, Suite, against_hindsight

SCORES = "value, less of it above a target CPA or below a target ROAS; value less spend where utility is wanted"
ASIDE = ", which is the value unless a campaign wants something else"
BOUNDS = ("clairvoyant", "frontier")  # numbers that only a record of the campaign's requests gives
BOUND = "bound: the sum of all days over the sum of {} bounds, given the rivals' bids of the policy's own run."
PLAIN = against_hindsight("multiplier", "value", "value", ASIDE)  # where score is value
SCORED = against_hindsight("multiplier", "score", f"score ({SCORES})", ASIDE)  # where a campaign wants anything else

METRICS = (
    *PLAIN,
    Metric(
        "share_of_clairvoyant_bound", "ratio", "value", "clairvoyant",
        Shown("bound"), Shown("of clairvoyant bound", interval=True), BOUND.format("clairvoyant"),
        "Clairvoyant bound",
        "A linear programme that knows every request of the day, given the rivals' bids as they were in the policy's own run. "
        "No policy can exceed it in that run. The share is that of the sums over all days.",
    ),
    Metric("value", "mean", "value", page=Shown("value a day", ",.1f")),
    Metric("score", "mean", "score"),
    Metric(
        "score_share_of_frontier_bound", "ratio", "score", "frontier",
        Shown("bound"), Shown("score", interval=True), BOUND.format("frontier"),
        "Score",
        "By the campaign's objective: value; under a target CPA or ROAS, value times the square of (what it may cost / what it "
        "cost) where it cost more; where utility is wanted, value less spend. The column is its share of the frontier bound: "
        "the most score that can be had, given the rivals' bids of the policy's own run.",
    ),
    Metric("spend", "mean", "spend"),
    Metric("spend_share", "mean", "spend", "budget", Shown("spent", ".1%"), Shown("budget spent", ".1%")),
    Metric(
        "budget_violation", "mean", "overspent", None, Shown("over", ".2f"), Shown("overspent", ".2f"),
        "over: money spent beyond the budget.",
        "Overspent", "Money spent beyond the budget; the market never lets a campaign do so, so it is 0 by construction.",
    ),
    Metric(
        "cpa_excess", "mean", "cpa_excess", None, Shown("over", ".1%"), Shown("above target", ".1%"),
        "over: the share of spend above the target.",
        "Above target", "The share of spend beyond what the target allows for the expected conversions.",
    ),
    Metric(
        "pacing_error", "mean", "pacing_error", None, Shown("pacing", ".1%"), Shown("pacing error", ".1%"),
        "Pacing: mean distance of spend from the traffic curve.",
        "Pacing error",
        "The mean distance, over the day, of cumulative spend from the forecast curve of traffic, as a share of the budget.",
        Panel("Pacing error", "mean distance from the traffic curve, share of budget", True),
    ),
    Metric("conversions", "mean", "conversions"),
)  # fmt: skip


class Bidding(Suite[World]):
    """A campaign's bids. Money in currency."""

    seat, unit, eligible, constant = "bidding", "campaign", "campaigns whose budgets bind", "multiplier"
    scenario, reference, tuned = "bidding-small", "fixed", ("pid", "dual", "fixed")
    compared = ("truthful", "random", "fixed", "mcpc", "lin", "dual", "pid")
    mixes: ClassVar = {
        name: f"{', '.join(kind.__name__ for kind in kinds)}, dealt in turn within each vertical"
        for name, kinds in MIXES.items()
    }
    numbers: ClassVar = {
        "score": "value; under a target CPA, with its penalty",  # see `agents.objectives`
        "value": "true expected value of the impressions seen",
        "spend": "what they cost",
        "budget": "of the days",
        "overspent": "spend beyond the budget",
        "pacing_error": "mean distance of cumulative spend from the forecast traffic curve, as a share of the budget",
        "conversions": "realised, of those that are attributed",
        "cpa_excess": "share of spend above what the target allows for the expected conversions; 0 without a target",
        "clairvoyant": "bound on value, given the rivals' bids of this run",
        "frontier": "bound on score, given the same",
    }
    metrics = METRICS
    details = (
        Detail("value a day", ",.2f", "value"),
        Detail("spend a day", ",.2f", "spend"),
        Detail("budget spent", ".1%", "spend", "budget"),
        Detail("conversions a day", ",.1f", "conversions"),
        Detail("cost per conversion", ",.2f", "spend", "conversions"),
        Detail("value per spend", ".2f", "value", "spend"),
    )
    curve = Curve(
        "spending",
        "share of budget spent",
        "the forecast's curve",
        "How the budget was spent on the first days, against the forecast's curve of traffic; of the policies the best few.",
        share=True,
    )

    def units(self, scenario: Scenario) -> list[int]:
        return contested(scenario)

    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> World:
        seat = {**rivals(scenario, case.unit, mix), case.unit: policy}
        bounded = judged and not unrecorded(scenario)
        return World(scenario, {"bidding": seat}, seed=case.seed, record=case.unit if bounded else None)

    def score(self, world: World, case: Case) -> float:
        return float(day_scores(world, case.unit).sum())

    def measure(self, world: World, case: Case) -> dict[str, float]:
        k = case.unit
        value, spend = float(world.ledger.value()[:, k].sum()), float(world.ledger.spend()[:, k].sum())
        budget = _budget(world, k)
        limited = world.campaigns.listed[k].objective in TARGETS
        # What the expected conversions may cost at most; without a target as much as one likes.
        allowed = min(spend, value * float(world.campaigns.target[k] / world.campaigns.value[k])) if limited else spend
        bounded = not unrecorded(world.scenario)
        return {
            "value": value,
            "spend": spend,
            "budget": budget,
            "overspent": max(spend - budget, 0.0),
            "pacing_error": float(np.abs(self.points(world, case) - self.ideal(world.scenario)).mean()),
            "conversions": int(world.ledger.attributed()[:, k].sum()),
            "cpa_excess": 1.0 - allowed / spend if spend > 0 else 0.0,
            **({"clairvoyant": clairvoyant_bound(world), "frontier": frontier_bound(world)} if bounded else {}),
        }

    def points(self, world: World, case: Case) -> Floats:
        spent = world.ledger.spend()[:, case.unit]
        return np.concatenate([[0.0], np.cumsum(spent)]) / _budget(world, case.unit)

    def ideal(self, scenario: Scenario) -> Floats:
        return np.concatenate([[0.0], np.cumsum(np.tile(forecast(scenario), scenario.days))]) / scenario.days

    def constants(self, scenario: Scenario, case: Case) -> Scale[Any]:
        return multipliers(scenario, case.unit)

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return (
            f"no constant multiplier brings campaign {self.label(scenario, case.unit)!r} anything on the day of seed "
            f"{case.seed}, so there is no yardstick for it: its budget or its bids are too small, or it has no chance against "
            "its rivals"
        )

    def label(self, scenario: Scenario, unit: int) -> str:
        return build(scenario).campaigns.names[unit]

    def lacking(self, scenario: Scenario) -> str:
        why = unrecorded(scenario)
        return f"There is no bound here: {why}." if why else ""

    def measured(self, scenario: Scenario) -> tuple[Metric, ...]:
        """All but the bounds where nobody can note what a campaign's requests would have brought."""
        if not unrecorded(scenario):
            return self.metrics
        return tuple(metric for metric in self.metrics if metric.over not in BOUNDS)

    def shown(self, results: Results) -> tuple[Metric, ...]:
        """Bounds of value or of score, and what is spent beyond the budget or beyond a target, as campaigns want it."""
        listed = build(results.scenario).campaigns.listed
        wanted = {listed[case.unit].objective for case in results.cases}
        by_name = {metric.name: metric for metric in self.metrics}
        clairvoyant, over = by_name["share_of_clairvoyant_bound"], "cpa_excess" if wanted & {*TARGETS} else "budget_violation"
        rest = tuple(by_name[name] for name in ("value", "spend_share", over, "pacing_error"))
        first: tuple[Metric, ...] = PLAIN
        bounds: tuple[Metric, ...] = (clairvoyant,)
        if wanted != {"max_value"}:
            first = SCORED
            bounds = (clairvoyant._replace(table=None, note=""), by_name["score_share_of_frontier_bound"])
        return (*first, *(() if unrecorded(results.scenario) else bounds), *rest)


def _budget(world: World, campaign: int) -> float:
    """Of all days, in currency."""
    return float(world.campaigns.budget[campaign]) / MICRO * world.scenario.days


BIDDING = Bidding()
