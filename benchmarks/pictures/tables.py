"""The table of a day."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from ...simulator.engine.state import Count
from ...simulator.world import World
from ..output.tables import plain_table


def day_table(world: World, most: int = 12) -> Table:
    """The campaigns of a run, those who spent most first, and a closing line for the whole market."""
    ledger, table = world.ledger, world.campaigns
    clicks = ledger.counts[: ledger.closed, Count.CLICKS].sum(axis=0)
    impressions, conversions = ledger.impressions().sum(axis=0), ledger.attributed().sum(axis=0)
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
