"""The market against theory: textbook results measured on the real kernel, through the public face of the simulator.

Each function of `CHECKS` returns one or more `Check`s: expected, measured, standard error, verdict. `run` makes them all in
under two minutes on one core. A seed is the number of its check, or 0 to R - 1 where seeds are samples; none was chosen. Each
market is a `Scenario`, played by a `World` under bidders of the checks' own, and read from its ledger and journal.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...agents.learning.extras import missing
from ..output.progress import progress
from ..output.tables import plain_table, verdict
from . import (
    auctions,
    budgets,
    cascade,
    compute,
    creatives,
    delays,
    leads,
    pacing,
    pages,
    people,
    queues,
    sampling,
)
from .check import LIMIT, Check

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["CHECKS", "COLUMNS", "LIMIT", "Check", "command", "run", "table", "to_json", "to_rows"]


@dataclass(frozen=True)
class OnModels:
    """A function of checks on models in PyTorch, which is imported when they are made."""

    module: str
    name: str

    def __call__(self, effort: float) -> list[Check]:
        checks: list[Check] = getattr(importlib.import_module(f".{self.module}", __package__), self.name)(effort)
        return checks


CHECKS: dict[str, Callable[[float], list[Check]]] = {
    "1 truthfulness": auctions.truthfulness,
    "1 own factor": auctions.own_factor,
    "2 first-price equilibrium": auctions.first_price_equilibrium,
    "3 revenue": auctions.revenue,
    "4 reserve": auctions.best_reserve,
    "4 reserve by law": auctions.reserve_by_law,
    "5 GSP and VCG": auctions.positions,
    "6 Markov queues": queues.markov,
    "6 fixed service": queues.fixed_service,
    "6 many servers": queues.many_servers,
    "7 arrivals": sampling.arrivals,
    "8 budget": budgets.shading,
    "9 return target": budgets.return_target,
    "9 first-price target": auctions.first_price_target,
    "10 dual descent": budgets.dual_descent,
    "11 by hand": auctions.by_hand,
    "11 pacing equilibrium": budgets.pacing_equilibrium,
    "11 pacing equilibrium, learned": budgets.learned_equilibrium,
    "11 pacing equilibrium of a day": pacing.closed_forms,
    "11 Eisenberg and Gale": pacing.convex_programme,
    "11 growing revenue": pacing.growing,
    "12 delayed feedback": delays.delayed_feedback,
    "12 delay modelled": OnModels("rankers", "delay_modelled"),
    "14 compute": compute.allocation,
    "14 seat": compute.seat,
    "14 one price": compute.bounded,
    "15 recalibration": OnModels("rankers", "thinned"),
    "16 winner's curse": sampling.winners_curse,
    "17 cascade": cascade.survivors,
    "19 interference": sampling.interference,
    "20 frequency cap": people.capped,
    "21 factorisation machine": OnModels("rankers", "factorised"),
    "22 fatigue": people.fatigue,
    "23 sessions": people.session_length,
    "24 visits": people.visits,
    "25 lead chain": leads.chain,
    "26 lead delays": leads.delays,
    "27 uplift": leads.uplift,
    "28 squashing": auctions.squashing,
    "29 loads of ads": pages.loads,
    "29 best loads": pages.best_loads,
    "30 places": pages.cascade,
    "31 ceilings": OnModels("rankers", "ceilings"),
    "32 creatives": creatives.arms,
    "33 memorisation": OnModels("memorisation", "memorisation"),
}
COLUMNS = ("check", "expected", "measured", "std error", "sigmas", "verdict", "source")


def run(advance: Callable[[], None] | None = None, effort: float = 1.0) -> list[Check]:
    """All checks; `advance()` is called after each function of `CHECKS`. Without PyTorch those on its models are left out.

    `effort` scales the requests or days played; standard errors grow as its inverse square root.
    """
    done: list[Check] = []
    absent = left_out()
    for name, check in CHECKS.items():
        if name in absent:
            continue
        done += check(effort)
        if advance is not None:
            advance()
    return done


def left_out() -> list[str]:
    """The functions of checks that cannot be made here, for want of PyTorch."""
    return [name for name, check in CHECKS.items() if isinstance(check, OnModels)] if missing(("torch",)) else []


def to_rows(checks: list[Check]) -> list[tuple[str, ...]]:
    """A row of text for each check, with `COLUMNS`."""
    return [
        (
            check.name,
            f"{check.expected:.5g}",
            f"{check.measured:.5g}",
            check.allows,
            "" if check.exact else f"{check.sigmas:+.2f}",
            "ok" if check.passed else "FAILED",
            check.source,
        )
        for check in checks
    ]


def to_json(checks: list[Check]) -> list[dict[str, Any]]:
    """The same for `--json`: name, source, expected, measured, standard_error, exact, tolerance, sigmas, passed.

    `sigmas` is None in exact checks, and where the error is infinitely many.
    """
    rows: list[dict[str, Any]] = []
    for check in checks:
        sigmas = None if check.exact or math.isinf(check.sigmas) else check.sigmas
        rows.append({**check._asdict(), "sigmas": sigmas, "passed": check.passed})
    return rows


def table(checks: list[Check]) -> Table:
    """A row per check, a section per number of a check; without the source, for which a terminal is too narrow."""
    out = plain_table(f"Theory: passed within {LIMIT:g} standard errors, within what is said instead, or exactly")
    for column in COLUMNS[:-1]:
        out.add_column(column, justify="left" if column in ("check", "verdict") else "right", no_wrap=True)
    for row, after in zip(rows := to_rows(checks), [*rows[1:], rows[-1]], strict=True):
        out.add_row(*row[:5], verdict(row[5], row[5] == "ok"), end_section=row[0].split()[0] != after[0].split()[0])
    return out


def command(console: Console, as_json: bool) -> int:
    """`adarena theory`: prints the table, or JSON; 0 if all checks pass, else 1."""
    absent = left_out()
    with progress("checking", len(CHECKS) - len(absent)) as advance:
        checks = run(advance)
    if as_json:
        print(json.dumps(to_json(checks), indent=2, allow_nan=False))
    else:
        console.print(table(checks))
        if absent:
            console.print(f"left out for want of PyTorch (pip install 'adarena[rl]'): {', '.join(absent)}")
    return int(not all(check.passed for check in checks))
