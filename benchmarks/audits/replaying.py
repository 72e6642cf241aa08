"""Bidders on a log of past auctions, as a table beside what hindsight allows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ...agents.catalogue import make_policy
from ...agents.hindsight.knapsack import choice_bound
from ...simulator.replay.replay import replay_log, rows
from ...simulator.replay.result import Replayed
from ..output.tables import plain_table


def command(
    console: Console, log: Path, history: Path | None, bidders: Sequence[str], as_json: bool, terms: dict[str, Any]
) -> None:
    """What `adarena replay` does: plays each bidder, prints a row for each beside what hindsight allows."""
    played = replay_log(log, {spec: make_policy("bidding", spec) for spec in bidders}, history, **terms)
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
    episodes = f"{len(result.episodes.auctions):,} episodes, budget {_money(result.budget)} each"
    table = plain_table(
        f"{log.name}: {result.auctions:,} auctions, {episodes}",
        caption=" ".join(played.notes)
        + " Price: cost of an impression. Bound: the most believed clicks that these budgets could buy at the recorded prices. "
        "Money is the log's own.",
    )
    table.add_column("bidder", no_wrap=True)
    for column in ("impressions", "clicks", "cost", "win rate", "price", "a click", "budget", "believed", "of bound"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows(played.results):
        believed = float(row["believed_clicks"] or 0.0)
        table.add_row(
            str(row["bidder"]),
            f"{row['impressions']:,}",
            "unknown" if row["clicks"] is None else f"{row['clicks']:,}",
            _money(row["cost"]),
            f"{row['win_rate']:.2%}",
            _money(row["cpm"], 2),
            _money(row["ecpc"], 0),
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
        sum(choice_bound(rate[:, None], price[:, None] / played.log.parts, float(result.budget)) for rate, price in pairs)
    )


def _money(amount: Any, digits: int | None = None) -> str:
    """An amount with as many decimals as asked for, where it is small with four digits that count; a whole one without any."""
    if isinstance(amount, int):
        return f"{amount:,}"
    if not math.isfinite(amount):
        return str(amount)
    if digits is None or (amount and abs(amount) < 100):
        digits = max(digits or 0, min(6, 3 - math.floor(math.log10(abs(amount) or 1.0))))
    return f"{amount:,.{digits}f}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
