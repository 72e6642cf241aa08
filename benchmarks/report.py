"""Results as tables and files: what is printed, and what is written to `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from ..simulator import kernel as K
from ..simulator.world import World
from . import statistics
from .statistics import Estimate

if TYPE_CHECKING:
    from .suites.bidding import Results


def write_json(path: Path, content: Any) -> Path:
    """Writes JSON under its name only once it is whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.rename(path)
    return path


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
    return Table(
        title=title, caption=caption, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, title_style="bold"
    )


def estimates(results: Results, reference: str) -> dict[str, dict[str, Estimate]]:
    """For each policy its metrics with 95% intervals; differences are against `reference`, paired by case."""
    best = np.array([y.value for y in results.yardsticks])
    drawn = statistics.resamples(len(best))
    base = np.array([r.value for r in results.runs[reference]]) / best
    out = {}
    for name, runs in results.runs.items():
        value = np.array([r.value for r in runs])
        spend = np.array([r.spend for r in runs])
        budget = np.array([r.budget for r in runs])
        out[name] = {
            "share_of_static_hindsight": statistics.mean(value / best, drawn),
            "difference_to_reference": statistics.mean(value / best - base, drawn),
            "share_of_clairvoyant_bound": statistics.ratio(value, np.array([r.clairvoyant for r in runs]), drawn),
            "value": statistics.mean(value, drawn),
            "spend": statistics.mean(spend, drawn),
            "spend_share": statistics.mean(spend / budget, drawn),
            "budget_violation": statistics.mean(np.maximum(spend - budget, 0.0), drawn),
            "pacing_error": statistics.mean(np.array([r.pacing_error for r in runs]), drawn),
            "conversions": statistics.mean(np.array([float(r.conversions) for r in runs]), drawn),
            "seconds": statistics.mean(np.array([r.seconds for r in runs]), drawn),
        }
    return out


def comparison_table(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> Table:
    """Policies, best first: value beside violation, pacing error and time; never a single score."""
    seeds = len(results.cases)
    out = plain_table(
        f"bidding on {results.scenario.name}: {seeds} days, mean [95% interval]",
        caption=(
            "of hindsight: value over that of the day's best constant multiplier, rivals reacting (adaptive policies may "
            "exceed it). of bound: value over the clairvoyant bound, given the rivals' bids of the policy's own run. "
            "Differences are paired by common random numbers. Pacing: mean distance of spend from the traffic curve."
        ),
    )
    out.add_column("policy", no_wrap=True)
    for column in ("of hindsight", f"minus {reference}", "of bound", "spent", "over", "pacing", "s/day"):
        out.add_column(column, justify="right", no_wrap=True)
    for name, row in sorted(found.items(), key=lambda item: -item[1]["share_of_static_hindsight"].mean):
        difference = row["difference_to_reference"]
        out.add_row(
            name,
            str(row["share_of_static_hindsight"]),
            "" if name == reference else f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]",
            f"{row['share_of_clairvoyant_bound'].mean:.3f}",
            f"{row['spend_share'].mean:.1%}",
            f"{row['budget_violation'].mean:.2f}",
            f"{row['pacing_error'].mean:.1%}",
            f"{row['seconds'].mean:.3f}",
        )
    return out


def summary(results: Results, found: Mapping[str, Mapping[str, Estimate]], reference: str) -> dict[str, Any]:
    """What goes to `summary.json`: the market, the seeds, and a row per policy and metric."""
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
        {"seed": case.seed, "campaign": case.campaign, "hindsight_value": best.value, "hindsight_multiplier": best.multiplier}
        for case, best in zip(results.cases, results.yardsticks, strict=True)
    ]
    scenario = {"name": results.scenario.name, "digest": results.scenario.digest}
    return {"scenario": scenario, "reference": reference, "cases": cases, "rows": rows}
