"""What ads did to the people who saw them: fatigue, sessions cut short, satisfaction; as tables and a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.response.memory import ShownCount, ShownSum
from ...simulator.response.visits import Visit, VisitSum
from ...simulator.world import World
from ..output.tables import plain_table
from .tables import requests_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


TOLD = 5  # exposures with a row of their own in the table, the last with all beyond
CLICKS_A_POINT = 100  # of the picture: their share is known to a tenth
Z95 = 1.96
PLANNED, MADE, VISITS, LAW = "#9fbfdf", "#4c72b0", "#e08a4f", "#d1495b"


class Worn(NamedTuple):
    """Clicks of impressions that users met with so many exposures in mind; arrays of shape (bins,)."""

    remembered: Floats  # mean exposures
    impressions: NDArray[np.int64]
    clicks: NDArray[np.int64]
    ratio: Floats  # clicks over those expected on first sight; NaN without impressions
    error: Floats  # standard error of that
    law: Floats  # (1 + exposures)^-exponent over the same impressions


def worn(world: World, edges: NDArray[np.int64]) -> Worn:
    """Measured fatigue, of exposures (rounded) from each of `edges` up to the next, the last of them without end.

    Users who are shown an ad often are not like others, nor is the ad. So clicks are held against those that the same users
    would have made on first sight of the same ads: only a judge can do so.
    """
    assert world.fatigue is not None
    counts, sums = (np.add.reduceat(part, edges, axis=1) for part in (world.fatigue.counts, world.fatigue.sums))
    clicks, fresh = counts[ShownCount.CLICKS], sums[ShownSum.FRESH]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Worn(
            remembered=sums[ShownSum.REMEMBERED] / fresh,
            impressions=counts[ShownCount.IMPRESSIONS],
            clicks=clicks,
            ratio=clicks / fresh,
            error=np.sqrt(np.maximum(clicks, 1)) / fresh,
            law=sums[ShownSum.WORN] / fresh,
        )


def fatigue_table(world: World) -> Table:
    """Click rates at the first, second, ... exposure of a user to an ad, beside the law of the scenario."""
    settings = world.scenario.fatigue
    assert settings is not None
    out = plain_table(
        "Fatigue",
        caption="Exposure: 1 + those the user remembers of the ad, rounded. Over first sight: clicks over those expected of "
        "the same users on first sight of the same ads, which only a judge knows. "
        f"Law: (1 + remembered)^-{settings.exponent:g}.",
    )
    for column in ("exposure", "impressions", "clicks", "click rate", "over first sight", "law"):
        out.add_column(column, justify="left" if column == "exposure" else "right", no_wrap=True)
    found = worn(world, np.arange(TOLD))
    for n in range(TOLD):
        name = f"{n + 1} or more" if n == TOLD - 1 else str(n + 1)
        shown, clicks = int(found.impressions[n]), int(found.clicks[n])
        if shown == 0:
            out.add_row(name, "0", "0", "", "", "")
            continue
        ratio = f"{found.ratio[n]:.3f} ± {found.error[n]:.3f}"
        out.add_row(name, f"{shown:,}", f"{clicks:,}", f"{clicks / shown:.2%}", ratio, f"{found.law[n]:.3f}")
    return out


def satisfaction(world: World) -> Floats:
    """Mean satisfaction at the midnight before each day, of those who were to come that day, (days,); NaN if nobody was."""
    books = world.visits
    assert books is not None
    starts, sums = (
        _by_day(world, part[: books.closed]) for part in (books.counts[:, Visit.SESSIONS], books.sums[:, VisitSum.SATISFACTION])
    )
    mean: Floats = np.divide(sums, starts, out=np.full(len(starts), np.nan), where=starts > 0)
    return mean


def _by_day(world: World, ticks: NDArray[np.int64] | Floats) -> Floats:
    """Sums of (ticks,) by day, the last perhaps not whole."""
    sums: Floats = np.add.reduceat(ticks.astype(np.float64), np.arange(0, len(ticks), world.scenario.ticks_per_day))
    return sums


def sessions_table(world: World) -> Table:
    """What users had planned, what came of it, and what a visit was like."""
    books = world.visits
    assert books is not None
    total = books.counts[: books.closed].sum(axis=0)
    impressions = int(world.ledger.impressions().sum())
    visits = max(int(total[Visit.VISITS]), 1)
    out = plain_table("Sessions", caption="Planned: without any ads. Cut short: the user left out of boredom with ads.")
    for column in ("", "number", "share"):
        out.add_column(column, justify="right" if column else "left", no_wrap=True)

    def share(part: int, whole: int, of: str) -> str:
        return f"{total[part] / total[whole]:.2%} of {of}" if total[whole] else ""

    out.add_row("sessions planned", f"{total[Visit.SESSIONS]:,}", "")
    out.add_row("visited", f"{total[Visit.VISITS]:,}", share(Visit.VISITS, Visit.SESSIONS, "planned"))
    out.add_row("cut short", f"{total[Visit.CUT]:,}", share(Visit.CUT, Visit.VISITS, "visits"))
    out.add_row("requests planned", f"{total[Visit.PLANNED]:,}", "")
    out.add_row("made", f"{total[Visit.MADE]:,}", share(Visit.MADE, Visit.PLANNED, "planned"))
    out.add_section()
    out.add_row("requests a visit", f"{total[Visit.MADE] / visits:.2f}", "")
    out.add_row("ads seen a visit", f"{impressions / visits:.2f}", "")
    content = satisfaction(world)
    out.add_row("satisfaction, first midnight", f"{content[0]:.4f}" if len(content) else "", "")
    if len(content) > 1:
        out.add_row("last midnight", f"{content[-1]:.4f}", "")
    return out


def picture(world: World) -> Figure:
    """Click rates by exposures, requests by hour, and satisfaction by day or, of one day, sessions by length."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        panels = [] if world.fatigue is None else [_fatigue]
        if world.visits is not None:
            panels += [_requests, _satisfaction if world.scenario.days > 1 else _survival]
        figure = Picture(figsize=(5.4 * len(panels), 4), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)
        for axis, panel in zip(axes.flat, panels, strict=True):
            panel(axis, world)
        figure.suptitle(f"{world.scenario.name}, seed {world.seed}: {requests_of(world)}", x=0.01, ha="left", color=INK)
    return figure


def bins(world: World) -> NDArray[np.int64]:
    """First exposures of groups of them for `worn`, each a fifth wider than what lies before it, and with enough clicks."""
    assert world.fatigue is not None
    clicks = np.append(0, np.cumsum(world.fatigue.counts[ShownCount.CLICKS]))
    edges = [0]
    for n in range(1, len(clicks) - 1):
        if n >= 1.2 * edges[-1] and clicks[n] - clicks[edges[-1]] >= CLICKS_A_POINT:
            edges.append(n)
    if len(edges) > 1 and clicks[-1] - clicks[edges[-1]] < CLICKS_A_POINT:
        edges.pop()
    return np.array(edges)


def _fatigue(axis: Axes, world: World) -> None:
    """Measured click rates over those on first sight, with 95% intervals, and the law."""
    from matplotlib.ticker import NullLocator

    settings = world.scenario.fatigue
    assert settings is not None
    axis.set_title("Click rate over that on first sight")
    axis.set_xlabel("exposures to the ad that the user remembers")
    found = worn(world, bins(world))
    if not found.impressions.any():
        axis.text(0.5, 0.5, "no ad was seen", transform=axis.transAxes, ha="center")
        return
    # A group may be wide, the last one without end: its point stands where the law is what it is on average over the group.
    at = found.remembered if settings.exponent == 0 else found.law ** (-1 / settings.exponent) - 1
    most = max(float(at[-1]) * 1.15, 3.0)
    n = np.linspace(0, most, 200)
    axis.plot(1 + n, (1 + n) ** -settings.exponent, color=LAW, linewidth=2, label=f"(1 + n)^-{settings.exponent:g}")
    axis.errorbar(
        1 + at, found.ratio, Z95 * found.error, fmt="o", color=MADE, capsize=3, label="clicks, and 95% intervals",
    )  # fmt: skip
    axis.set_xscale("log")
    ticks = [t for t in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500) if t <= most]
    axis.set_xticks([1 + t for t in ticks], [str(t) for t in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    top = max(1.1, float((found.ratio + Z95 * found.error).max()) + 0.05)
    axis.set_ylim(0, min(top, 2))
    axis.legend(loc="lower left", frameon=False)


def _requests(axis: Axes, world: World) -> None:
    """Requests planned and made, and visits, by the hour of the day: means over the days."""
    from matplotlib.ticker import StrMethodFormatter

    books, per_day = world.visits, world.scenario.ticks_per_day
    assert books is not None
    whole = max(books.closed // per_day, 1) * per_day
    counts = books.counts[:whole].reshape(-1, per_day, len(Visit)).mean(axis=0)
    edges = np.arange(per_day + 1) * world.scenario.tick_us / HOUR_US
    axis.stairs(counts[:, Visit.PLANNED], edges, fill=True, color=PLANNED, label="requests planned")
    axis.stairs(counts[:, Visit.MADE], edges, color=MADE, linewidth=2, baseline=None, label="requests made")
    axis.stairs(counts[:, Visit.VISITS], edges, color=VISITS, linewidth=2, baseline=None, label="visits begun")
    axis.set_title("Requests and visits by hour")
    axis.set_xlabel("hour of the day")
    axis.set_ylabel("a tick, mean of the days" if world.scenario.days > 1 else "a tick")
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_xlim(0, edges[-1])
    if edges[-1] == 24:
        axis.set_xticks(range(0, 25, 4))
    axis.set_ylim(0, max(float(counts[:, Visit.PLANNED].max()), 1) * 1.35)
    axis.legend(loc="upper left", frameon=False)


def _satisfaction(axis: Axes, world: World) -> None:
    """Mean satisfaction at each midnight, and the share of planned sessions that were visited on the day that followed."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    books = world.visits
    assert books is not None
    counts = [
        _by_day(world, books.counts[: books.closed, row]) for row in (Visit.SESSIONS, Visit.VISITS, Visit.PLANNED, Visit.MADE)
    ]
    sessions, visits, planned, made = (np.where(c > 0, c, np.nan) for c in counts)
    days = np.arange(1, len(sessions) + 1)
    axis.plot(days, satisfaction(world), "o-", color="#2f7d4f", markersize=5, label="satisfaction at midnight before")
    axis.plot(days, visits / sessions, "o-", color=VISITS, markersize=5, label="planned sessions visited")
    axis.plot(days, made / planned, "o-", color=MADE, markersize=5, label="planned requests made")
    axis.set_title("Satisfaction and visits by day")
    axis.set_xlabel("day")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.08)
    axis.legend(loc="lower left", frameon=False)


def _survival(axis: Axes, world: World) -> None:
    """Share of the planned sessions that were still going at their n-th request, as planned and as it came to be."""
    from matplotlib.ticker import PercentFormatter

    books = world.visits
    assert books is not None
    planned, made = books.pages[:, :-1]  # the last column is for all requests beyond
    started = max(int(planned[0]), 1)
    last = int(np.flatnonzero(planned >= 0.01 * started).max(initial=1))
    number = np.arange(1, last + 2)
    axis.plot(number, planned[: last + 1] / started, color=PLANNED, linewidth=3, label="planned, without ads")
    axis.plot(number, made[: last + 1] / started, color=MADE, linewidth=2, label="under the ads of the day")
    axis.set_title("Sessions still going")
    axis.set_xlabel("request of the session")
    axis.set_ylabel("share of the sessions planned")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.05)
    axis.set_xlim(1, max(math.ceil(last / 5) * 5, 5))
    axis.legend(loc="upper right", frameon=False)
