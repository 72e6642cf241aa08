"""Policies against crowd after crowd on the same days: who is robust. What `adarena mixes` does.

No yardstick is looked for, so that many days cost little: a policy is held against another one, by the mean of the ratios of
days, where each day counts alike, and by the ratio of sums, where rich days count for more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from ..agents.catalogue import joined
from ..simulator.core.arrays import Floats
from ..simulator.core.errors import MarketError
from ..simulator.scenario.tree import Scenario
from .commands import Terms, agreed, kept, publish
from .comparison import measuring, statistics
from .comparison.measuring import Trial
from .comparison.report import as_json, written
from .comparison.statistics import Estimate
from .comparison.store import Store
from .comparison.suite import Case, Suite
from .comparison.workers import HERE, Crew
from .output.progress import progress
from .output.tables import plain_table


class Met(NamedTuple):
    """What policies made of each crowd on the same days; arrays (crowds, days)."""

    suite: Suite[Any]
    scenario: Scenario
    crowds: tuple[str, ...]  # names of mixes
    reference: str  # a label
    policies: Mapping[str, str]  # what each label stands for
    cases: Sequence[Case]
    score: Mapping[str, Floats]  # of each label
    end: Mapping[str, Floats]  # where its curve ended: the share of the budget spent

    def over_reference(self, label: str, crowd: int) -> tuple[Estimate, Estimate]:
        """By what share the score lies over the reference's: mean of ratios by day, and ratio of sums.

        Days on which the reference scores nothing have no ratio.
        """
        own, other = self.score[label][crowd], self.score[self.reference][crowd]
        counted = other > 0
        groups = statistics.strata([case.unit for case, counts in zip(self.cases, counted, strict=True) if counts])
        by_day = statistics.mean(own[counted] / other[counted] - 1.0, groups)
        share, interval = statistics.ratio(own, other, statistics.strata([case.unit for case in self.cases]))
        less = None if interval is None else statistics.Interval(interval.low - 1.0, interval.high - 1.0)
        return by_day, Estimate(share - 1.0, less)


def crowds_of(suite: Suite[Any], named: Sequence[str]) -> tuple[str, ...]:
    """The mixes that are met, all of the suite's if none is named. Raises `MarketError` for a name that is none."""
    return tuple(measuring.chosen_mix(suite, name) for name in dict.fromkeys(named or suite.mixes))


def steps(suite: Suite[Any], policies: Mapping[str, str], crowds: Sequence[str], seeds: int) -> int:
    """How many steps `measure` takes."""
    return len({spec for text in policies.values() for spec in joined(suite.seat, text)}) * len(crowds) * seeds


def measure(
    suite: Suite[Any],
    scenario: Scenario,
    policies: Mapping[str, str],
    reference: str,
    crowds: tuple[str, ...],
    seeds: int,
    advance: Callable[[], None] = lambda: None,
    *,
    skip: int = 0,
    crew: Crew = HERE,
    store: Store | None = None,
) -> Met:
    """Plays every policy against every crowd on the same test days.

    Args:
        suite: whose mixes the crowds are.
        scenario: the market.
        policies: what each label stands for, as the catalogue reads it, or several such texts joined by +, whose mean counts.
        reference: the label that others are held against.
        crowds: names of mixes.
        seeds: how many days.
        advance: called after each of `steps(...)` steps.
        skip: how many test days to leave out first.
        crew: who does the work; the results are the same.
        store: where rows are kept and looked for.
    """
    entrants = measuring.Entrants(suite, policies)
    cases = suite.cases(scenario, seeds, "test", skip)
    tasks = [
        measuring.Task(suite, scenario, crowd, case, spec, source, "trial")
        for crowd, case, (spec, source) in product(crowds, cases, entrants.sources.items())
    ]
    outcomes = measuring.measure(tasks, Store() if store is None else store, crew, advance)
    trials = [one for one in outcomes if isinstance(one, Trial)]
    shape = len(crowds), len(cases), len(entrants.sources)
    score, end = (entrants.means(np.array([getattr(one, name) for one in trials]).reshape(shape)) for name in ("score", "end"))
    return Met(suite, scenario, crowds, reference, dict(policies), cases, score, end)


def command(
    console: Console,
    suite: Suite[Any],
    scenario: Scenario,
    policies: tuple[str, ...],
    named: Sequence[str],
    seeds: int,
    reference: str | None,
    folder: Path,
    terms: Terms,
) -> None:
    """Plays the policies on test days against each crowd, prints a table, and writes rows and estimates."""
    if suite.curve is None or not suite.curve.share:
        raise MarketError(f"the {suite.name} suite has no budgets whose spend could be told")
    crowds = crowds_of(suite, named)
    labels, reference = agreed(suite, policies, reference, seeds)
    with (
        kept(console, folder / "results.sqlite", terms.fresh) as store,
        progress(f"{suite.name} on {scenario.name}", steps(suite, labels, crowds, seeds)) as advance,
    ):
        met = measure(suite, scenario, labels, reference, crowds, seeds, advance, skip=terms.skip, crew=terms.crew, store=store)
    console.print(table(met))
    publish(console, folder, {folder / "mixes.json": as_json(content(met))})


def table(met: Met) -> Table:
    """A row for each policy and crowd."""
    told = "" if len(met.cases) < statistics.FEWEST else " [95% interval]"
    out = plain_table(
        f"{met.suite.name} on {met.scenario.name}: {len(met.cases)} days against each crowd{told}",
        caption=f"Over {met.reference}, paired by day: mean of the ratios of days, and ratio of sums. Spent: of the budget, "
        f"mean over days; in brackets that of {met.reference}.",
    )
    out.add_column("crowd", overflow="fold")
    out.add_column("policy", overflow="fold", min_width=12)
    for column in (f"over {met.reference}, by day", "sums", "spent"):
        out.add_column(column, justify="right", no_wrap=True)
    for number, crowd in enumerate(met.crowds):
        for label in (label for label in met.policies if label != met.reference):
            by_day, sums = met.over_reference(label, number)
            spent, other = (met.end[name][number].mean() for name in (label, met.reference))
            out.add_row(crowd, label, written(by_day, "+", ".1%"), f"{sums.mean:+.1%}", f"{spent:.1%} ({other:.1%})")
    return out


def content(met: Met) -> dict[str, Any]:
    """What goes to `mixes.json`; ends of intervals are null on fewer days than intervals take."""
    rows = []
    for (number, crowd), label in product(enumerate(met.crowds), met.policies):
        row: dict[str, Any] = {"crowd": crowd, "policy": label, "spent": float(met.end[label][number].mean())}
        for name, one in zip(("mean_of_ratios", "ratio_of_sums"), met.over_reference(label, number), strict=True):
            low, high = one.interval or (None, None)
            row |= {name: one.mean, f"{name}_ci_low": low, f"{name}_ci_high": high}
        rows.append(row)
    return {
        "suite": met.suite.name,
        "scenario": {"name": met.scenario.name, "digest": met.scenario.digest},
        "seeds": [case.seed for case in met.cases],
        "policies": dict(met.policies),
        "reference": met.reference,
        "rows": rows,
    }
