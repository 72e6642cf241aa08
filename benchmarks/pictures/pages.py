"""Pages: what users brought by ads and by content, and what those of long and of short patience were shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from ...simulator.core.arrays import Floats
from ...simulator.market.market import build
from ...simulator.response.pages import PageSum
from ...simulator.world import World
from ..output.tables import plain_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ADS, CONTENT, LOAD = "#dd8452", "#4c72b0", "#404040"
GROUPS = 10  # of users, from the most patient to the least


def table(world: World) -> Table:
    """What pages carried, and what a user brought."""
    books = world.pages
    assert books is not None
    total, users = books.sums[: books.closed].sum(axis=0), len(books.users)
    organic = books.organic_value * total[PageSum.CONTENT]
    out = plain_table("Pages", caption="Content: what is seen of the organic items; 1 on an average page without ads.")
    for column in ("", "number", "a page", "a user"):
        out.add_column(column, justify="right" if column else "left", no_wrap=True)
    pages = max(total[PageSum.PAGES], 1.0)
    for name, amount, form in (
        ("pages", total[PageSum.PAGES], ",.0f"),
        ("places for ads", total[PageSum.AD_PLACES], ",.0f"),
        ("ads seen", total[PageSum.ADS], ",.0f"),
        ("content seen", total[PageSum.CONTENT], ",.0f"),
    ):
        out.add_row(name, format(amount, form), f"{amount / pages:.3f}", f"{amount / users:,.2f}")
    out.add_section()
    for name, amount in (("ad revenue, expected", total[PageSum.REVENUE]), ("organic worth", organic)):
        out.add_row(name, f"{amount:,.2f}", f"{amount / pages:.4f}", f"{amount / users:,.3f}")
    return out


def picture(world: World) -> Figure:
    """What a user brings by day; ads and pages by how patient users truly are, if they differ."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        temper = build(world.scenario).temper
        groups = None if temper is None or temper.rate.std() == 0 else _groups(temper.rate)
        panels = 1 if groups is None else 3
        figure = Picture(figsize=(5.0 * panels, 4), layout="constrained")
        axes = list(figure.subplots(1, panels, squeeze=False).flat)
        _by_day(axes[0], world)
        if groups is not None:
            _by_patience(axes[1], axes[2], world, groups)
        figure.suptitle(f"{world.scenario.name}, seed {world.seed}: {world.played:,} pages", x=0.01, ha="left", color=INK)
    return figure


def _groups(rate: Floats) -> list[np.ndarray]:
    """Users by their rates of leaving, in groups of one size."""
    return np.array_split(np.argsort(rate, kind="stable"), min(GROUPS, rate.size))


def _by_day(axis: Axes, world: World) -> None:
    from matplotlib.ticker import MaxNLocator

    books = world.pages
    assert books is not None
    starts = np.arange(0, books.closed, world.scenario.ticks_per_day)
    sums = np.add.reduceat(books.sums[: books.closed], starts, axis=0) / len(books.users)
    days, ads = np.arange(1, len(starts) + 1), sums[:, PageSum.REVENUE]
    axis.bar(days, ads, color=ADS, width=0.8, label="ads, expected charges")
    axis.bar(days, books.organic_value * sums[:, PageSum.CONTENT], bottom=ads, color=CONTENT, width=0.8, label="organic items")
    axis.set_title("What a user brings a day")
    axis.set_xlabel("day")
    axis.set_ylabel("currency")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.margins(y=0.25)
    axis.legend(loc="upper right", frameon=False)


def _by_patience(load: Axes, brought: Axes, world: World, groups: list[np.ndarray]) -> None:
    books = world.pages
    assert books is not None
    sums = np.array([books.users[group].sum(axis=0) for group in groups])
    size = np.array([len(group) for group in groups])
    place = np.arange(1, len(groups) + 1)
    load.plot(place, sums[:, PageSum.ADS] / np.maximum(sums[:, PageSum.PAGES], 1), "o-", color=LOAD)
    load.set_title("Ads seen a page")
    load.set_ylim(bottom=0)
    ads, organic = sums[:, PageSum.REVENUE] / size, books.organic_value * sums[:, PageSum.CONTENT] / size
    brought.bar(place, ads, color=ADS, label="ads")
    brought.bar(place, organic, bottom=ads, color=CONTENT, label="organic items")
    brought.set_title("What a user brings in all")
    brought.set_ylabel("currency")
    for axis in (load, brought):
        axis.set_xlabel("users, from the most patient tenth to the least")
        axis.set_xticks(place)
