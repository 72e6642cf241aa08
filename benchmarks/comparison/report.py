"""Results as tables and files: what is printed, and what is written to `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ...simulator.core.arrays import Floats
from ..output.tables import plain_table
from . import statistics
from .statistics import FEWEST, Estimate

if TYPE_CHECKING:
    from ..suites.bidding import Results


SCORES = "value, less of it above a target CPA or below a target ROAS; value less spend where utility is wanted"


def strata(results: Results) -> statistics.Strata:
    """What a comparison fixes by design: the campaign in the seat."""
    return statistics.strata([case.campaign for case in results.cases])


def shares(results: Results) -> dict[str, Floats]:
    """Each policy's share of static hindsight, (cases,)."""
    best = np.array([y.score for y in results.yardsticks])
    return {name: np.array([run.score for run in runs]) / best for name, runs in results.runs.items()}


def estimates(results: Results, reference: str) -> dict[str, dict[str, Estimate]]:
    """For each policy its metrics with 95% intervals; differences are against `reference`, paired by case.

    Intervals are stratified by the campaign in the seat.
    """
    best = np.array([y.score for y in results.yardsticks])
    seats = strata(results)
    base = shares(results)[reference]
    out = {}
    for name, runs in results.runs.items():
        value, spend, budget, bound, pacing, conversions, excess, score, frontier = (
            np.array([float(getattr(r, field)) for r in runs])
            for field in (
                "value", "spend", "budget", "clairvoyant", "pacing_error", "conversions", "cpa_excess", "score",
                "frontier",
            )
        )  # fmt: skip
        out[name] = {
            "share_of_static_hindsight": statistics.mean(score / best, seats),
            "iqm_share_of_static_hindsight": statistics.iqm(score / best, seats),
            "difference_to_reference": statistics.mean(score / best - base, seats),
            "share_of_clairvoyant_bound": statistics.ratio(value, bound, seats),
            "value": statistics.mean(value, seats),
            "score": statistics.mean(score, seats),
            "score_share_of_frontier_bound": statistics.ratio(score, frontier, seats),
            "spend": statistics.mean(spend, seats),
            "spend_share": statistics.mean(spend / budget, seats),
            "budget_violation": statistics.mean(np.maximum(spend - budget, 0.0), seats),
            "cpa_excess": statistics.mean(excess, seats),
            "pacing_error": statistics.mean(pacing, seats),
            "conversions": statistics.mean(conversions, seats),
        }
    return out


def ranked(found: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """Labels, the largest mean share of static hindsight first."""
    return sorted(found, key=lambda name: -found[name]["share_of_static_hindsight"].mean)


def comparison_table(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> Table:
    """Policies, best first: value beside violation, pacing error and time; never a single score."""
    cpa = results.limits_cpa
    title = f"bidding on {results.scenario.name}: {len(results.cases)} days, mean"
    held = "" if few(results) else "; intervals are stratified by campaign"
    score, bound = (f"score ({SCORES})", "frontier") if results.scored else ("value", "clairvoyant")
    out = plain_table(
        title if few(results) else f"{title} [95% interval]",
        caption=f"{ranked(found)[0]} has the largest mean, {standing(results)}\n"
        + (
            f"of hindsight: {score} over that of the day's best constant multiplier, rivals reacting (adaptive policies may "
            f"exceed it). IQM: the same, of the middle half of the days. bound: the sum over the {bound} bound's, given "
            f"the rivals' bids of the policy's own run. Differences are paired by common random numbers{held}. "
            "Pacing: mean distance of spend from the traffic curve. over: money spent beyond the budget, or, with a target, "
            "the share of spend above it."
        ),
    )
    out.padding = (0, 1, 0, 0)  # seldom is a terminal wider than this table
    out.add_column("policy", overflow="fold")
    for column in ("of hindsight", "IQM", f"minus {reference}", "bound", "spent", "over", "pacing", "s/day"):
        out.add_column(column, justify="right", no_wrap=True)
    for name in ranked(found):
        row, difference = found[name], found[name]["difference_to_reference"]
        out.add_row(
            name,
            written(row["share_of_static_hindsight"]),
            f"{row['iqm_share_of_static_hindsight'].mean:.3f}",
            "" if name == reference else written(difference, "+"),
            f"{row['score_share_of_frontier_bound' if results.scored else 'share_of_clairvoyant_bound'].mean:.3f}",
            f"{row['spend_share'].mean:.1%}",
            f"{row['cpa_excess'].mean:.1%}" if cpa else f"{row['budget_violation'].mean:.2f}",
            f"{row['pacing_error'].mean:.1%}",
            f"{np.mean([r.seconds for r in results.runs[name]]):.3f}",
        )
    return out


def written(estimate: Estimate, sign: str = "") -> str:
    """A number with its interval, if it has one; `sign` is + where signs are written out."""
    mean, *interval = (format(number, f"{sign}.3f") for number in (estimate.mean, *(estimate.interval or ())))
    return f"{mean} [{', '.join(interval)}]" if interval else mean


def few(results: Results) -> bool:
    """Whether the days are too few for intervals."""
    return len(results.cases) < FEWEST


def standing(results: Results) -> str:
    """How far the days tell the policy with the largest mean from the others: the end of a sentence about it."""
    if len(results.runs) == 1:
        return "alone in this comparison."
    found = statistics.contenders(shares(results), strata(results))
    if found is None:
        return f"but {len(results.cases)} days are too few to tell policies apart, or for intervals: it takes {FEWEST}."
    if len(found) > 1:
        return f"but on these days cannot be told apart from {listed(found[1:])}."
    return "and every paired difference from it is beyond chance, at 95% together."


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence, of many only the first ones."""
    said = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def summary(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> dict[str, Any]:
    """What goes to `summary.json`: the market, the seeds, who may be best, and a row per policy and metric.

    Where days are too few for intervals, their ends and who may be best are null. Nothing in it depends on the machine's
    speed, so a comparison that was killed and resumed ends with the same bytes.
    """
    rows = []
    for name, metrics in found.items():
        for metric, estimate in metrics.items():
            low, high = estimate.interval or (None, None)
            rows.append(
                {
                    "suite": "bidding",
                    "policy": name,
                    "metric": metric,
                    "mean": estimate.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "seeds": len(results.cases),
                    "share_of_hindsight": metrics["share_of_static_hindsight"].mean,
                }
            )
    cases = [
        {"seed": case.seed, "campaign": case.campaign, "hindsight_score": best.score, "hindsight_multiplier": best.multiplier}
        for case, best in zip(results.cases, results.yardsticks, strict=True)
    ]
    return {
        "scenario": {"name": results.scenario.name, "digest": results.scenario.digest},
        "rivals": results.rivals,
        "reference": reference,
        "contenders": statistics.contenders(shares(results), strata(results)),
        "policies": results.policies,
        "cases": cases,
        "rows": rows,
    }
