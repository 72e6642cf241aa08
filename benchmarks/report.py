"""Results as tables and files: what is printed, and what is written to `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ..simulator import kernel as K
from ..simulator.world import World
from . import statistics
from .printing import PlainTable
from .statistics import Estimate

if TYPE_CHECKING:
    from .suites.bidding import Results


def write_text(path: Path, content: str) -> Path:
    """Writes a text under its name only once it is whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(content, encoding="utf-8")
    part.rename(path)
    return path


def write_json(path: Path, content: Any) -> Path:
    """Writes JSON under its name only once it is whole."""
    return write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def day_table(world: World, most: int = 12) -> Table:
    """The campaigns of a run, those who spent most first, and a closing line for the whole market."""
    ledger, table = world.ledger, world.campaigns
    clicks = ledger.counts[: ledger.closed, K.CLICKS].sum(axis=0)
    impressions, conversions = ledger.impressions().sum(axis=0), ledger.conversions().sum(axis=0)
    spend, value = ledger.spend().sum(axis=0), ledger.value().sum(axis=0)
    out = plain_table(
        f"{world.scenario.name}, seed {world.seed}: {world.played:,} requests",
        caption="Money in currency; price: mean of an impression.",
    )
    for column in ("campaign", "budget", "spent", "impressions", "clicks", "conv.", "value", "price"):
        out.add_column(column, justify="left" if column == "campaign" else "right", no_wrap=True)

    def row(name: str, budget: str, k: Any) -> None:
        shown = [f"{int(number[k].sum()):,}" for number in (impressions, clicks, conversions)]
        price = spend[k].sum() / max(impressions[k].sum(), 1)
        out.add_row(name, budget, f"{spend[k].sum():,.2f}", *shown, f"{value[k].sum():,.2f}", f"{price:.4f}")

    order = np.argsort(-spend, kind="stable")
    for k in order[:most]:
        daily = table.listed[k].budget_per_day
        row(table.names[k], "unlimited" if daily is None else f"{daily * world.scenario.days:,.2f}", np.array([k]))
    if len(order) > most:
        row(f"{len(order) - most} others", "", order[most:])
    out.add_section()
    row("market", "", order)
    return out


def plain_table(title: str, caption: str | None = None) -> Table:
    """A table in the house's style."""
    return PlainTable(title, caption)


def estimates(results: Results, reference: str) -> dict[str, dict[str, Estimate]]:
    """For each policy its metrics with 95% intervals; differences are against `reference`, paired by case.

    The bootstrap is stratified by the campaign in the seat.
    """
    best = np.array([y.score for y in results.yardsticks])
    drawn = statistics.resamples([case.campaign for case in results.cases])
    base = np.array([r.score for r in results.runs[reference]]) / best
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
            "share_of_static_hindsight": statistics.mean(score / best, drawn),
            "iqm_share_of_static_hindsight": statistics.iqm(score / best, drawn),
            "difference_to_reference": statistics.mean(score / best - base, drawn),
            "share_of_clairvoyant_bound": statistics.ratio(value, bound, drawn),
            "value": statistics.mean(value, drawn),
            "score": statistics.mean(score, drawn),
            "score_share_of_frontier_bound": statistics.ratio(score, frontier, drawn),
            "spend": statistics.mean(spend, drawn),
            "spend_share": statistics.mean(spend / budget, drawn),
            "budget_violation": statistics.mean(np.maximum(spend - budget, 0.0), drawn),
            "cpa_excess": statistics.mean(excess, drawn),
            "pacing_error": statistics.mean(pacing, drawn),
            "conversions": statistics.mean(conversions, drawn),
        }
    return out


def ranked(found: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """Labels, the largest mean share of static hindsight first."""
    return sorted(found, key=lambda name: -found[name]["share_of_static_hindsight"].mean)


def comparison_table(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> Table:
    """Policies, best first: value beside violation, pacing error and time; never a single score."""
    cpa = results.limits_cpa
    score, bound = ("score (value, less above the target CPA)", "frontier") if cpa else ("value", "clairvoyant")
    out = plain_table(
        f"bidding on {results.scenario.name}: {len(results.cases)} days, mean [95% interval]",
        caption=(
            f"of hindsight: {score} over that of the day's best constant multiplier, rivals reacting (adaptive policies may "
            f"exceed it). IQM: the same, of the middle half of the days. bound: the sum over the {bound} bound's, given "
            "the rivals' bids of the policy's own run. Differences are paired by common random numbers; intervals are "
            "stratified by campaign. Pacing: mean distance of spend from the traffic curve. over: money spent beyond the "
            "budget, or, with a target CPA, the share of spend above it."
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
            str(row["share_of_static_hindsight"]),
            f"{row['iqm_share_of_static_hindsight'].mean:.3f}",
            "" if name == reference else signed(difference),
            f"{row['score_share_of_frontier_bound' if cpa else 'share_of_clairvoyant_bound'].mean:.3f}",
            f"{row['spend_share'].mean:.1%}",
            f"{row['cpa_excess'].mean:.1%}" if cpa else f"{row['budget_violation'].mean:.2f}",
            f"{row['pacing_error'].mean:.1%}",
            f"{np.mean([r.seconds for r in results.runs[name]]):.3f}",
        )
    return out


def signed(estimate: Estimate) -> str:
    """A difference with its interval, signs written out."""
    return f"{estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def summary(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> dict[str, Any]:
    """What goes to `summary.json`: the market, the seeds, and a row per policy and metric.

    Nothing in it depends on the machine's speed, so a comparison that was killed and resumed ends with the same bytes.
    """
    rows = [
        {
            "suite": "bidding",
            "policy": name,
            "metric": metric,
            "mean": estimate.mean,
            "ci_low": estimate.low,
            "ci_high": estimate.high,
            "seeds": len(results.cases),
            "share_of_hindsight": metrics["share_of_static_hindsight"].mean,
        }
        for name, metrics in found.items()
        for metric, estimate in metrics.items()
    ]
    cases = [
        {"seed": case.seed, "campaign": case.campaign, "hindsight_score": best.score, "hindsight_multiplier": best.multiplier}
        for case, best in zip(results.cases, results.yardsticks, strict=True)
    ]
    return {
        "scenario": {"name": results.scenario.name, "digest": results.scenario.digest},
        "rivals": results.rivals,
        "reference": reference,
        "policies": results.policies,
        "cases": cases,
        "rows": rows,
    }
