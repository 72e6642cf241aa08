"""What a change of the market brings: what `adarena whatif` does.

The same days are lived through twice, as the market is and as it would be, with the same users, requests and luck; differences
are paired by day, so that a few days tell a change of some per cent from chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from ..agents.splits import seeds as seeds_of
from ..simulator.core.arrays import Floats
from ..simulator.core.disk import write_together
from ..simulator.core.errors import MarketError, ScenarioError, suggest
from ..simulator.core.money import MICRO, UNLIMITED
from ..simulator.core.numeric import amount
from ..simulator.engine.state import Count
from ..simulator.market.market import build
from ..simulator.scenario.paths import held, settings_of
from ..simulator.scenario.tree import Scenario
from ..simulator.world import World
from .comparison import statistics
from .comparison.report import as_json, written
from .comparison.statistics import Estimate
from .comparison.workers import Crew
from .output.progress import progress
from .output.tables import plain_table
from .simulating import seated

NUMBERS = ("spend", "impressions", "clicks", "conversions", "value", "surplus")
MOST = 6  # campaigns with rows of their own
PER_CENT = re.compile(r"([+-]\d+(?:\.\d+)?)%")
BUDGET = re.compile(r"campaigns\.(.+)\.budget_per_day")  # which a market whose campaigns are drawn does not write out
WHOLE_WITHIN = 0.005  # of a whole number that grows by a share, what it may be rounded by
Budgets = tuple[tuple[str, float], ...]  # currency a day, of campaigns by name


class Asked(NamedTuple):
    """What is asked: the market as it is and as it would be, and the budgets that campaigns which are drawn would have."""

    before: Scenario
    after: Scenario
    budgets: Budgets = ()
    told: tuple[str, ...] = ()  # each change, as `field: before -> after`


class Task(NamedTuple):
    """A world to be played: picklable."""

    scenario: Scenario
    bidder: str
    seats: tuple[str, ...]
    seed: int
    budgets: Budgets = ()


class Found(NamedTuple):
    """What each run brought a day before and after, (runs, campaigns, numbers) each, and who is shown on his own."""

    asked: Asked
    seeds: list[int]
    was: Floats
    would_be: Floats
    names: list[str]
    shown: list[int]

    def groups(self) -> dict[str, list[int]]:
        """The campaigns of each row of the table, by what the row is called."""
        out = {self.names[k]: [k] for k in self.shown}
        others = [k for k in range(len(self.names)) if k not in self.shown]
        if self.shown and others:
            out["all others"] = others
        return {**out, "market": list(range(len(self.names)))}

    def estimates(self, campaigns: list[int], number: int) -> tuple[float, float, Estimate]:
        """The means of a day before and after, and their paired difference."""
        was, would_be = (days[:, campaigns, number].sum(axis=1) for days in (self.was, self.would_be))
        return float(was.mean()), float(would_be.mean()), statistics.mean(would_be - was, statistics.strata([0] * len(was)))


def asked(scenario: Scenario, changes: Iterable[str]) -> Asked:
    """The scenario with fields set, as `Scenario.override`, or numbers changed by a share of theirs: `traffic.day_sigma=+20%`.

    Raises:
        ScenarioError: if there is no such field, or nothing in it that could grow by a share.
    """
    settings = settings_of(changes)
    tree, told, budgets = scenario.model_dump(mode="json"), [], {}
    for path, value in list(settings.items()):
        if scenario.demand.kind == "drawn" and (of := BUDGET.fullmatch(path)) is not None:
            was = drawn_budget(scenario, of[1])
            if (then := _set(path, was, settings.pop(path))) != was:
                budgets[of[1]] = then
        else:
            was = held(tree, path)
            then = settings[path] = _set(path, was, value)
        told.append(f"{path}: {_shown(was)} -> {_shown(then)}")
    return Asked(scenario, scenario.override(settings), tuple(budgets.items()), tuple(told))


def drawn_budget(scenario: Scenario, name: str) -> float | None:
    """The daily budget of a drawn campaign, currency; None: unlimited. Raises `ScenarioError` if there is none of that name."""
    campaigns = build(scenario).campaigns
    if name not in campaigns.names:
        raise ScenarioError(f"there is no campaign {name!r}{suggest(name, campaigns.names)}")
    budget = campaigns.budget[campaigns.names.index(name)]
    return None if budget == UNLIMITED else float(budget) / MICRO


def _set(path: str, was: Any, value: Any) -> Any:
    """What a field would hold."""
    if not isinstance(value, str):
        return value
    share, number = PER_CENT.fullmatch(value), None if isinstance(was, str) else amount(value)
    return _grown(path, was, 1 + float(share[1]) / 100) if share is not None else value if number is None else number


def _grown(path: str, value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_grown(path, one, factor) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{path} is {value!r}: what can grow by a share is a number")
    grown = value * factor
    if isinstance(value, float):
        return grown
    if abs(round(grown) - grown) > WHOLE_WITHIN * abs(grown):
        raise ScenarioError(f"{path} is {value}, which would be {grown:g}: a whole number is needed, so name one")
    return round(grown)


def _shown(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def measure(what: Asked, bidder: str, seats: tuple[str, ...], seeds: int, skip: int, crew: Crew, label: str) -> Found:
    """Plays test days before and after.

    Raises:
        MarketError: if nothing is changed, or other campaigns are there afterwards.
    """
    before, after, budgets, _ = what
    if before.digest == after.digest and not budgets:
        raise MarketError("nothing is changed: name a field and another value of it, as in --change auction.slots=2")
    days = seeds_of("test", skip + seeds)[skip:]
    seated(bidder, seats)  # what is wrong with them is said before any day is played
    first, second = World(before, seed=days[0]).campaigns, World(after, seed=days[0]).campaigns
    if first.names != second.names:
        raise MarketError("other campaigns are there after the change: what it brings each of them cannot be told")
    sides = ((before, ()), (after, budgets))
    tasks = [Task(scenario, bidder, seats, seed, own) for seed in days for scenario, own in sides]
    found: list[Floats] = [np.empty(0)] * len(tasks)
    with progress(label, len(tasks)) as advance:
        for place, numbers in crew.results(played, tasks):
            found[place] = numbers
            advance()
    differ = [k for k, (one, other) in enumerate(zip(first.listed, second.listed, strict=True)) if one != other]
    differ = sorted({*differ, *(first.names.index(name) for name, _ in budgets)})
    shown = differ if len(differ) <= MOST else []
    return Found(what, list(days), np.array(found[::2]), np.array(found[1::2]), list(first.names), shown)


def played(task: Task) -> Floats:
    """What each campaign got out of a run, a day, (campaigns, numbers)."""
    world = World(task.scenario, seated(task.bidder, task.seats), seed=task.seed)
    for name, budget in task.budgets:
        world.set_budget(name, budget)
    world.run()
    ledger = world.ledger
    spend, value = ledger.spend().sum(axis=0), ledger.value().sum(axis=0)
    clicks = ledger.counts[: ledger.closed, Count.CLICKS].sum(axis=0)
    counts = ledger.impressions().sum(axis=0), clicks, ledger.attributed().sum(axis=0)
    return np.column_stack([spend, *counts, value, value - spend]) / task.scenario.days


def command(
    console: Console, before: Scenario, changes: tuple[str, ...], bidder: str, seats: tuple[str, ...], seeds: int, skip: int,
    crew: Crew, folder: Path,
) -> None:  # fmt: skip
    """Plays the days twice, prints a table and writes `whatif.json`."""
    found = measure(asked(before, changes), bidder, seats, seeds, skip, crew, f"what if, on {before.name}")
    console.print(table(found))
    write_together({folder / "whatif.json": as_json(content(found, changes))})
    console.print(f"written: {folder / 'whatif.json'}", soft_wrap=True)


def table(found: Found) -> Table:
    """A row for each number of the campaigns that are changed, of all others together, and of the market."""
    few = len(found.was) < statistics.FEWEST
    before, seeds = found.asked.before, found.seeds
    runs = f"{len(seeds)} days" if before.days == 1 else f"{len(seeds)} runs of {before.days} days"
    out = plain_table(
        f"{before.name}, {'; '.join(found.asked.told)}\n{runs}, mean of a day",
        caption="Money in currency. Value: conversions to be expected of the impressions, times what one is worth. Surplus: "
        f"value less spend. More: paired, the same days before and after (seeds {seeds[0]} to {seeds[-1]})"
        + (f"; intervals from {statistics.FEWEST} of them on." if few else "."),
    )
    out.add_column("of a day", overflow="fold")
    for column in ("now", "more" if few else "more [95%]", "share"):
        out.add_column(column, justify="right", no_wrap=True)
    for name, campaigns in found.groups().items():
        for number, what in enumerate(NUMBERS):
            now, _, more = found.estimates(campaigns, number)
            share = f"{more.mean / now:+.1%}" if now > 0 else ""
            out.add_row(f"{name}: {what}", f"{now:,.2f}", written(more, "+,", ".2f"), share)
        out.add_section()
    return out


def content(found: Found, changes: Iterable[str]) -> Mapping[str, Any]:
    """What goes to `whatif.json`."""
    rows = []
    for name, campaigns in found.groups().items():
        for number, what in enumerate(NUMBERS):
            now, then, more = found.estimates(campaigns, number)
            low, high = more.interval or (None, None)
            row = {
                "campaign": name,
                "number": what,
                "now": now,
                "then": then,
                "more": more.mean,
                "ci_low": low,
                "ci_high": high,
            }
            rows.append(row)
    return {
        "scenario": {"name": found.asked.before.name, "digest": found.asked.before.digest},
        "changes": list(changes),
        "changed": list(found.asked.told),
        "runs": len(found.seeds),
        "days": found.asked.before.days * len(found.seeds),
        "seeds": found.seeds,
        "rows": rows,
    }
