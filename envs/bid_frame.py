"""What is to be seen of a campaign's day so far: its spend against the ideal, its multiplier, and the market's price."""

from __future__ import annotations

import numpy as np

from ..simulator.core.arrays import Floats
from ..simulator.core.clock import HOUR_US
from ..simulator.world import World
from .frames import Frame, Line, Panel


def bid_frame(world: World, campaign: int, budget: float, prior: float, reach: float, facts: str) -> Frame:
    """The frame of one campaign of a world of one day.

    Args:
        world: it may have been played to the start of any tick.
        campaign: its place in the market.
        budget: of the day, in currency; above 0 and not unlimited.
        prior: its multiplier of an earlier day, in the middle of the axis.
        reach: the axis goes from the prior over this to the prior times this.
        facts: what the day has come to, in a line.
    """
    scenario, ledger, closed = world.scenario, world.ledger, world.ledger.closed
    ticks = scenario.ticks_per_day
    told = scenario.auction.price_told
    spent = np.full(ticks + 1, np.nan)
    spent[: closed + 1] = np.append(0.0, np.cumsum(ledger.spend()[:, campaign])) / budget
    return Frame(
        headline=f"{scenario.name}, day {world.seed}, campaign {ledger.campaigns.names[campaign]}",
        facts=f"tick {closed} of {ticks}: {facts}",
        tick=closed,
        hours=np.arange(ticks + 1) * scenario.tick_us / HOUR_US,
        panels=(
            spend_panel(world, spent, "spent"),
            Panel(
                name="multiplier",
                title="Multiplier",
                unit="",
                course=_so_far(ledger.multiplier[:closed, campaign], ticks),
                label="in force",
                form="{:.3f}",
                ideal=np.full(ticks + 1, prior),
                ideal_label="an earlier day's",
                low=prior / reach,
                high=prior * reach,
                logarithmic=True,
            ),
            Panel(
                name="price",
                title="Least winning cost of a slot",
                unit="currency",
                course=_so_far(ledger.market_price[: closed if told else 0, campaign], ticks),
                label="told",
                form="{:.4f}",
                note="" if told else "this market tells no price",
            ),
        ),
    )


def spend_panel(world: World, course: Floats, label: str, others: tuple[Line, ...] = ()) -> Panel:
    """Spend so far, as a share of budgets, beside the course of the forecast."""
    return Panel(
        name="spend",
        title="Spend",
        unit="share of the budget",
        course=course,
        label=label,
        form="{:.1%}",
        ideal=np.append(0.0, np.cumsum(world.forecast)),
        ideal_label="the forecast's course",
        high=1.04,
        others=others,
    )


def _so_far(told: Floats, ticks: int) -> Floats:
    return np.append(told, np.full(ticks - told.size, np.nan))
