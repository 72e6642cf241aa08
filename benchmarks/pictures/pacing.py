"""The day of a platform that paces campaigns: by how much it lowers their bids, and what that makes of their budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CROWD = 60  # campaigns, of which more are drawn as bands


def is_paced(world: World) -> bool:
    """Whether there is anything to see."""
    return world.ledger.is_paced


def paces(world: World) -> Floats:
    """Factor times share of auctions let in, (ticks closed, K)."""
    closed = world.ledger.closed
    found: Floats = world.ledger.pace[:closed] * world.ledger.taking[:closed]
    return found


def spent_and_paced(world: World) -> tuple[Floats, Floats]:
    """Share of the budget spent, and mean pace by traffic, of each campaign with a budget, (campaigns,)."""
    ledger, table = world.ledger, world.campaigns
    limited = table.budget < UNLIMITED // 2
    requests = np.maximum(ledger.requests(), 1e-9)
    spent = ledger.spend().sum(axis=0) / np.maximum(table.budget / MICRO * world.scenario.days, 1e-9)
    return spent[limited], np.average(paces(world), axis=0, weights=requests)[limited]


def picture(world: World) -> Figure:
    """Paces over the day, and what was spent of budgets beside them."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13.5, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _courses(left, world)
        _complements(right, world)
        scenario, ledger = world.scenario, world.ledger
        title = (
            f"{scenario.name}, seed {world.seed}: spend {ledger.spend().sum():,.0f}, expected value {ledger.value().sum():,.0f}"
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK)
    return figure


def _courses(axis: Axes, world: World) -> None:
    from matplotlib.ticker import NullFormatter

    from ...simulator.core.look import INK

    ours, edges = paces(world), np.arange(world.ledger.closed + 1) * world.scenario.tick_us / HOUR_US
    shown = np.maximum(np.vstack([ours, ours[-1:]]), 1e-3)
    if ours.shape[1] > CROWD:
        low, high = np.percentile(shown, [10, 90], axis=1)
        axis.fill_between(edges, low, high, step="post", color="#4c72b0", alpha=0.25, linewidth=0, label="10-90% of campaigns")
    else:
        axis.plot(edges, shown, drawstyle="steps-post", color="#4c72b0", linewidth=0.7, alpha=0.45)
        axis.plot([], [], color="#4c72b0", linewidth=1, label="a campaign")
    mean = np.exp(np.log(shown).mean(axis=1))
    axis.plot(edges, mean, drawstyle="steps-post", color=INK, linewidth=1.8, label="geometric mean")
    axis.set_yscale("log")
    axis.set_ylim(min(float(shown.min()) / 1.3, 0.5), 2.2)
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks([tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if tick >= axis.get_ylim()[0]])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_title("Pace: factor on bids, times share of auctions")
    axis.set_ylabel("1: as they bid")
    axis.set_xlabel("hour")
    axis.set_xlim(0, edges[-1])
    if world.scenario.days == 1 and world.scenario.day_s == 86_400:
        axis.set_xticks(range(0, 25, 4))
    axis.legend(loc="upper left", ncols=2, frameon=False)


def _complements(axis: Axes, world: World) -> None:
    """A campaign lies above, its budget spent, or to the right, not paced: else it has money that it might have used."""
    from matplotlib.ticker import PercentFormatter

    spent, paced = spent_and_paced(world)
    budget = world.campaigns.budget[world.campaigns.budget < UNLIMITED // 2] / MICRO
    axis.scatter(
        paced, spent, s=20 + 180 * budget / max(budget.max(initial=0.0), 1e-9), color="#4c72b0", alpha=0.6, linewidth=0
    )
    axis.set_title("Budget spent, or not paced")
    axis.set_xlabel("mean pace over the day's requests; size: budget")
    axis.set_ylabel("share of budget spent")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlim(0, 1.04)
    axis.set_ylim(0, 1.08)
