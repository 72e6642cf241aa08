"""Results as tables and files: what is printed, and what is written to `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from ...simulator.core.arrays import Floats
from ..output.tables import NARROW, plain_table
from . import statistics
from .pairs import Pair, contenders, pairs
from .statistics import FEWEST, Estimate
from .suite import Metric, Results, Shown

Found = Mapping[str, Mapping[str, Estimate]]


def as_json(content: Any) -> str:
    """JSON as it stands in a file."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def strata(results: Results) -> statistics.Strata:
    """What a comparison fixes by design: the unit in the seat."""
    return statistics.strata([case.unit for case in results.cases])


def shares(results: Results) -> dict[str, Floats]:
    """The first metric of each policy, its share of static hindsight, by case (cases,)."""
    return {name: results.by_case(name, results.suite.metrics[0]) for name in results.runs}


def estimates(results: Results, reference: str) -> dict[str, dict[str, Estimate]]:
    """For each policy the suite's metrics with 95% intervals; differences are against `reference`, paired by case.

    Intervals are stratified by the unit in the seat.
    """
    seats, metrics = strata(results), results.suite.measured(results.scenario)
    return {
        name: {metric.name: _estimate(results, name, metric, reference, seats) for metric in metrics} for name in results.runs
    }


def _estimate(results: Results, name: str, metric: Metric, reference: str, seats: statistics.Strata) -> Estimate:
    if metric.how == "ratio":
        assert metric.over is not None
        return statistics.ratio(results.numbers(name, metric.of), results.numbers(name, metric.over), seats)
    values = results.by_case(name, metric)
    if metric.how == "difference":
        values = values - results.by_case(reference, metric)
    return (statistics.iqm if metric.how == "iqm" else statistics.mean)(values, seats)


def ranked(found: Found) -> list[str]:
    """Labels, the largest mean of the first metric first."""
    return sorted(found, key=lambda name: -first(found[name]).mean)


def first(metrics: Mapping[str, Estimate]) -> Estimate:
    """A policy's estimate of the first metric, its share of static hindsight."""
    return next(iter(metrics.values()))


def head(metric: Metric, shown: Shown, reference: str) -> str:
    """The heading of a metric's column."""
    return f"{shown.head} {reference}" if metric.how == "difference" else shown.head


def comparison_table(results: Results, found: Found, reference: str) -> Table:
    """Policies, best first, in the suite's metrics, and the time a day took; never a single score."""
    metrics = [(metric, metric.table) for metric in results.suite.shown(results) if metric.table is not None]
    title = f"{results.suite.name} on {results.scenario.name}: {results.played}, mean"
    notes = [metric.note for metric, _ in metrics if metric.note]
    if lacking := results.suite.lacking(results.scenario):
        notes.append(lacking)
    if not few(results):
        notes.append(f"Intervals are stratified by {results.suite.unit}.")
    out = plain_table(
        title if few(results) else f"{title} [95% interval]",
        caption=f"{ranked(found)[0]} has the largest mean, {standing(results)}\n{' '.join(notes)}",
    )
    out.padding = NARROW  # seldom is a terminal wider than this table
    out.add_column("policy", overflow="fold", min_width=12)
    for column in (*(head(metric, shown, reference) for metric, shown in metrics), "s/day"):
        out.add_column(column, justify="right", no_wrap=True)
    for name in ranked(found):
        cells = [_cell(metric, shown, found[name][metric.name], name == reference) for metric, shown in metrics]
        out.add_row(name, *cells, f"{np.mean([run.seconds for run in results.runs[name]]):.3f}")
    return out


def _cell(metric: Metric, shown: Shown, estimate: Estimate, is_reference: bool) -> str:
    if metric.how == "difference" and is_reference:
        return ""
    return written(estimate if shown.interval else Estimate(estimate.mean, None), sign(metric), shown.form)


def sign(metric: Metric) -> str:
    """How the sign of a metric's numbers is written: + where it says who is better."""
    return "+" if metric.how == "difference" else ""


def written(estimate: Estimate, sign: str = "", form: str = ".3f") -> str:
    """A number with its interval, if it has one; `sign` is + where signs are written out."""
    mean, *interval = (format(number, f"{sign}{form}") for number in (estimate.mean, *(estimate.interval or ())))
    return f"{mean} [{', '.join(interval)}]" if interval else mean


def few(results: Results) -> bool:
    """Whether the days are too few for intervals."""
    return len(results.cases) < FEWEST


def compared(results: Results) -> list[Pair]:
    """All pairs of policies, by the first metric."""
    return pairs(shares(results), strata(results))


def standing(results: Results) -> str:
    """How far the days tell the policy with the largest mean from the others: the end of a sentence about it."""
    if len(results.runs) == 1:
        return "alone in this comparison."
    found = contenders(compared(results))
    if found is None:
        return f"but {results.played} are too few to tell policies apart, or for intervals: it takes {FEWEST}."
    if len(found) > 1:
        return f"but on these days cannot be told apart from {listed(found[1:])}."
    return "and every paired difference from it is beyond chance, at 95% together."


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence, of many only the first ones."""
    said = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def summary(results: Results, found: Found, reference: str) -> dict[str, Any]:
    """What goes to `summary.json`: the market, the seeds, who may be best, every pair, and a row per policy and metric.

    Where days are too few for intervals, their ends and who may be best are null. Nothing in it depends on the machine's
    speed, so a comparison that was killed and resumed ends with the same bytes.
    """
    rows = []
    for name, metrics in found.items():
        for metric, estimate in metrics.items():
            low, high = estimate.interval or (None, None)
            rows.append(
                {
                    "suite": results.suite.name,
                    "policy": name,
                    "metric": metric,
                    "mean": estimate.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "seeds": len(results.cases),
                    "share_of_hindsight": first(metrics).mean,
                }
            )
    cases = [
        {**results.suite.named(case), "hindsight_score": best.score, f"hindsight_{results.suite.constant}": best.constant}
        for case, best in zip(results.cases, results.yardsticks, strict=True)
    ]
    held = compared(results)
    return {
        "scenario": {"name": results.scenario.name, "digest": results.scenario.digest},
        "rivals": results.rivals,
        "reference": reference,
        "contenders": contenders(held) if held else ranked(found),
        "pairs": [_pair(pair) for pair in held],
        "missing": results.suite.lacking(results.scenario) or None,
        "policies": results.policies,
        "cases": cases,
        "rows": rows,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    low, high = pair.interval or (None, None)
    told = {"ahead": pair.ahead, "behind": pair.behind, "difference": pair.by, "ci_low": low, "ci_high": high}
    return {**told, "tied": None if pair.interval is None else pair.tied}
