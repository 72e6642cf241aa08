"""The market against theory: textbook results measured on the real kernel, through the public face of the simulator.

Each function of `CHECKS` returns one or more `Check`s: expected, measured, standard error, verdict. `run` makes them all in
under a minute on one core. A seed is the number of its check, or 0 to R - 1 where seeds are samples; none was chosen. Each
market is a `Scenario`, played by a `World` under bidders of the checks' own, and read from its ledger and journal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from . import auctions, budgets, sampling
from .check import LIMIT, Check

__all__ = ["CHECKS", "COLUMNS", "LIMIT", "Check", "run", "to_json", "to_rows"]

CHECKS: dict[str, Callable[[float], list[Check]]] = {
    "1 truthfulness": auctions.truthfulness,
    "2 first-price equilibrium": auctions.first_price_equilibrium,
    "3 revenue": auctions.revenue,
    "4 reserve": auctions.best_reserve,
    "5 GSP and VCG": auctions.positions,
    "7 arrivals": sampling.arrivals,
    "8 budget": budgets.shading,
    "9 return target": budgets.return_target,
    "10 dual descent": budgets.dual_descent,
    "11 pacing equilibrium": budgets.pacing_equilibrium,
    "11 pacing equilibrium, learned": budgets.learned_equilibrium,
    "16 winner's curse": sampling.winners_curse,
    "19 interference": sampling.interference,
}
COLUMNS = ("check", "expected", "measured", "standard error", "error in sigmas", "verdict", "source")

Progress = Callable[[int, int, str], None]


def run(progress: Progress | None = None, effort: float = 1.0) -> list[Check]:
    """All checks. `progress(done, of, next)` is called before each function of `CHECKS` and, with next "", at the end.

    `effort` scales the requests or days played; standard errors grow as its inverse square root.
    """
    done: list[Check] = []
    for number, (name, check) in enumerate(CHECKS.items()):
        if progress is not None:
            progress(number, len(CHECKS), name)
        done += check(effort)
    if progress is not None:
        progress(len(CHECKS), len(CHECKS), "")
    return done


def to_rows(checks: list[Check]) -> list[tuple[str, ...]]:
    """Rows of text for a table with `COLUMNS`."""
    return [
        (
            check.name,
            f"{check.expected:.6g}",
            f"{check.measured:.6g}",
            "exact" if check.exact else f"{check.standard_error:.2g}",
            "" if check.exact else f"{check.sigmas:+.2f}",
            "ok" if check.passed else "FAILED",
            check.source,
        )
        for check in checks
    ]


def to_json(checks: list[Check]) -> str:
    """A list of objects: name, source, expected, measured, standard_error, exact, tolerance, sigmas, passed.

    `sigmas` is null in exact checks, and where the error is infinitely many.
    """
    rows: list[dict[str, Any]] = []
    for check in checks:
        sigmas = None if check.exact or math.isinf(check.sigmas) else check.sigmas
        rows.append({**check._asdict(), "sigmas": sigmas, "passed": check.passed})
    return json.dumps(rows, indent=2, allow_nan=False)
