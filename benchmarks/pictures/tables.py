"""The table of a day."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from ...simulator.core.arrays import Floats, Integers
from ...simulator.engine.state import Count
from ...simulator.scenario.demand import Campaign
from ...simulator.world import World
from ..output.tables import plain_table

# What campaigns may aim at: the columns of what they reached and of their target, and what the first of these is.
AIMS = {
    "target_cpa": ("CPA", "target CPA", "CPA: spent for a conversion that was reported."),
    "target_roas": ("ROAS", "target ROAS", "ROAS: value of the conversions that were reported, for a unit of spend."),
}


def day_table(world: World, most: int = 12) -> Table:
    """The campaigns of a run, those who spent most first, and a closing line for the whole market.

    Where campaigns have targets, what a conversion cost them, or what they got for their money, stands beside these.
    """
    ledger, table = world.ledger, world.campaigns
    clicks = ledger.counts[: ledger.closed, Count.CLICKS].sum(axis=0)
    impressions, conversions = ledger.impressions().sum(axis=0), ledger.attributed().sum(axis=0)
    spend, value = ledger.spend().sum(axis=0), ledger.value().sum(axis=0)
    aims = [aim for aim in AIMS if any(campaign.objective == aim for campaign in table.listed)]
    out = plain_table(
        f"{world.scenario.name}, seed {world.seed}: {world.played:,} requests",
        caption=" ".join(["Money in currency; price: mean of an impression.", *(AIMS[aim][2] for aim in aims)]),
    )
    targets = [name for aim in aims for name in AIMS[aim][:2]]
    for column in ("campaign", "budget", "spent", "impressions", "clicks", "conv.", "value", "price", *targets):
        out.add_column(column, justify="left" if column == "campaign" else "right", no_wrap=True)

    def row(name: str, budget: str, k: Any) -> None:
        shown = [f"{int(number[k].sum()):,}" for number in (impressions, clicks, conversions)]
        price = spend[k].sum() / max(impressions[k].sum(), 1)
        reached = [text for aim in aims for text in _aimed(aim, [table.listed[one] for one in k], spend[k], conversions[k])]
        out.add_row(name, budget, f"{spend[k].sum():,.2f}", *shown, f"{value[k].sum():,.2f}", f"{price:.4f}", *reached)

    order = np.argsort(-spend, kind="stable")
    for k in order[:most]:
        daily = table.listed[k].budget_per_day
        row(table.names[k], "unlimited" if daily is None else f"{daily * world.scenario.days:,.2f}", np.array([k]))
    if len(order) > most:
        row(f"{len(order) - most} others", "", order[most:])
    out.add_section()
    row("market", "", order)
    return out


def _aimed(aim: str, campaigns: list[Campaign], spend: Floats, conversions: Integers) -> tuple[str, str]:
    """What was reached of an aim, and the target if it is one campaign's; nothing for campaigns that aim at something else."""
    if any(campaign.objective != aim for campaign in campaigns) or spend.sum() <= 0:
        return "", ""
    got = conversions @ np.array([campaign.value_per_conversion for campaign in campaigns])
    if aim == "target_cpa":
        reached = f"{spend.sum() / conversions.sum():,.2f}" if conversions.sum() else "none"
    else:
        reached = f"{got / spend.sum():,.2f}"
    return reached, f"{getattr(campaigns[0], aim):,.2f}" if len(campaigns) == 1 else ""
