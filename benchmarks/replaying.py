"""Bidders on a log of past auctions, as a table; and how fast a log is replayed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..agents.catalogue import make_bidder
from ..agents.hindsight import choice_bound
from ..simulator.replay import Replayed, replay_log, rows, walk_bids
from .report import plain_table
from .throughput import REPEATS, processor_seconds


def command(
    console: Console, log: Path, history: Path | None, bidders: Sequence[str], as_json: bool, terms: dict[str, Any]
) -> None:
    """What `adarena replay` does: plays each bidder, prints a row for each beside what hindsight allows."""
    played = replay_log(log, {spec: make_bidder(spec) for spec in bidders}, history, **terms)
    bound = clairvoyant_clicks(played)
    if as_json:
        content = {
            "bidders": [{k: _finite(v) for k, v in row.items()} for row in rows(played.results)],
            "bound_believed_clicks": bound,
            "notes": played.notes,
        }
        print(json.dumps(content, indent=2))
        return
    result = next(iter(played.results.values()))
    table = plain_table(
        f"{log.name}: {result.auctions:,} auctions, {len(result.episodes.auctions):,} episodes, budget {result.budget:,} each",
        caption=" ".join(played.notes)
        + " Bound: the most believed clicks that these budgets could buy at the recorded prices.",
    )
    table.add_column("bidder", no_wrap=True)
    for column in ("impressions", "clicks", "cost", "win rate", "cpm", "ecpc", "budget", "believed", "of bound"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows(played.results):
        believed = float(row["believed_clicks"] or 0.0)
        table.add_row(
            str(row["bidder"]),
            f"{row['impressions']:,}",
            "unknown" if row["clicks"] is None else f"{row['clicks']:,}",
            f"{row['cost']:,}",
            f"{row['win_rate']:.2%}",
            f"{row['cpm']:.2f}",
            f"{row['ecpc']:,.0f}",
            f"{row['budget_spent']:.1%}",
            f"{believed:.1f}",
            f"{believed / bound:.3f}",
        )
    console.print(table)


def clairvoyant_clicks(played: Replayed) -> float:
    """The most believed clicks any bidder could have bought: one knapsack an episode, relaxed; no bid moves a price."""
    result = next(iter(played.results.values()))
    ends = np.cumsum(result.episodes.auctions)[:-1]
    pairs = zip(np.split(played.log.rate, ends), np.split(played.log.price, ends), strict=True)
    return float(
        sum(choice_bound(rate[:, None], price[:, None].astype(np.float64), float(result.budget)) for rate, price in pairs)
    )


def auctions_per_second(auctions: int = 10_000_000) -> float:
    """Best rate of a linear bidder on a log in memory, one long episode, processor time."""
    dice = np.random.default_rng(0)
    price, rate, click = dice.integers(1, 300, auctions), dice.random(auctions), np.zeros(auctions, np.int8)
    books, believed = np.zeros(3, np.int64), np.zeros(1)

    def once() -> float:
        books[:] = 1 << 40, 0, 0
        return processor_seconds(lambda: walk_bids(200.0, rate, rate, price, click, 300, books, believed))

    once()
    return auctions / min(once() for _ in range(REPEATS))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
