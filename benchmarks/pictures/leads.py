"""What became of the clicks of lead campaigns: forms, submits, qualified leads and sales, as a table and a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.table import Table

from ...simulator.core.histogram import OCTAVE
from ...simulator.engine.state import Count
from ...simulator.response.leads import BINS, LeadCount, Step
from ...simulator.world import World
from ..output.tables import plain_table
from .tables import requests_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


STEPS = ("clicks", "form opens", "submits", "qualified", "sales")
UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("days", 86_400.0))
TIMES = ((10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h"), (6 * 3600.0, "6 h"), (86_400.0, "1 day"),
         (7 * 86_400.0, "1 week"), (28 * 86_400.0, "4 weeks"))  # fmt: skip
CURVES = ((Step.SUBMIT, "submits", "#4c72b0"), (Step.QUALIFY, "qualified leads", "#2f7d4f"), (Step.SELL, "sales", "#e08a4f"))


class Chain(NamedTuple):
    """The lead campaigns' chain over a whole run, a place for each of `STEPS`; NaN where there is nothing to tell."""

    number: tuple[int, ...]
    reported: tuple[float, ...]  # so far
    cost: tuple[float, ...]  # spend for each, currency
    median_s: tuple[float, ...]  # since the click, of those that were attributed
    p90_s: tuple[float, ...]


def chain(world: World) -> Chain:
    """Adds up the lead campaigns of a run. Sales, and what has not been reported yet, are a judge's knowledge."""
    books = world.ledger.leads
    assert books is not None
    held = np.array([c.lead is not None for c in world.campaigns.listed])
    counts = world.ledger.counts[: world.ledger.closed, :, held].sum(axis=(0, 2))
    told = books.counts[: world.ledger.closed].sum(axis=(0, 2))
    count = (
        counts[Count.CLICKS],
        told[LeadCount.FORM_OPENS],
        counts[Count.CONVERSIONS],
        told[LeadCount.QUALIFIED],
        told[LeadCount.SALES],
    )
    none, spend = math.nan, float(world.ledger.spend()[:, held].sum())
    median, p90 = ((none, none, *(books.quantile_s(step, share) for step in range(len(Step)))) for share in (0.5, 0.9))
    return Chain(
        number=tuple(int(n) for n in count),
        reported=(none, none, float(counts[Count.REPORTED]), float(told[LeadCount.QUALIFIED_REPORTED]), none),
        cost=tuple(spend / n if n else none for n in count),
        median_s=median,
        p90_s=p90,
    )


def chain_table(world: World) -> Table:
    """A row for each step: how many took it, of those of the step before and of all clicks, at what cost, how late."""
    found = chain(world)
    out = plain_table(
        "Leads, from click to sale",
        caption="Cost: spend for each. Reported: so far. Median and p90: time since the click, of all that will come.",
    )
    for column in ("step", "number", "of step before", "of clicks", "cost each", "reported", "median", "p90"):
        out.add_column(column, justify="left" if column == "step" else "right", no_wrap=True)
    before = (0, *found.number[:-1])
    for n, step in enumerate(STEPS):
        count, reported, cost = found.number[n], found.reported[n], found.cost[n]
        out.add_row(
            step,
            f"{count:,}",
            f"{count / before[n]:.2%}" if before[n] else "",
            f"{count / found.number[0]:.2%}" if n and found.number[0] else "",
            "" if math.isnan(cost) else f"{cost:,.2f}",
            "" if math.isnan(reported) or not count else f"{reported / count:.1%}",
            duration(found.median_s[n]),
            duration(found.p90_s[n]),
        )
    return out


def duration(seconds: float) -> str:
    """A time in the largest unit of which it has one; nothing for NaN."""
    if math.isnan(seconds):
        return ""
    unit, length = max((u for u in UNITS if seconds >= u[1]), key=lambda u: u[1], default=UNITS[0])
    return f"{seconds / length:.1f} {unit}"


def picture(world: World) -> Figure:
    """How many take each step of the chain, and how long after the click it is known."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(12, 4.2), layout="constrained")
        axes = figure.subplots(1, 2, width_ratios=[1, 1.15])
        _bars(axes[0], world)
        _delays(axes[1], world)
        figure.suptitle(f"{world.scenario.name}, seed {world.seed}: {requests_of(world)}", x=0.01, ha="left", color=INK)
    return figure


def _bars(axis: Axes, world: World) -> None:
    """A bar for each step, on a logarithmic scale, with its rate and cost."""
    from ...simulator.core.look import INK

    found = chain(world)
    colours = ("#c9d8e8", "#9fbfdf", *(colour for *_, colour in CURVES))
    axis.barh(range(len(STEPS)), [max(n, 0.5) for n in found.number], color=colours, height=0.66)
    for n, count in enumerate(found.number):
        rate = f", {count / found.number[n - 1]:.1%} of {STEPS[n - 1]}" if n and found.number[n - 1] else ""
        cost = "" if math.isnan(found.cost[n]) else f", at {found.cost[n]:,.2f}"
        axis.text(max(count, 0.5) * 1.15, n, f"{count:,}{rate}{cost}", va="center", fontsize=9, color=INK)
    axis.set_yticks(range(len(STEPS)), STEPS)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlim(0.5, 4 * max(found.number[0], 10) ** 1.6)  # room for the words
    axis.set_xticks([])
    axis.minorticks_off()
    axis.set_xlabel("number, rate and cost (bars: logarithmic)")
    axis.set_title("From click to sale")
    axis.grid(visible=False)
    axis.spines["bottom"].set_visible(False)


def _delays(axis: Axes, world: World) -> None:
    """Share of the submits, qualified leads and sales of the run's clicks that are known so long after the click."""
    from matplotlib.ticker import PercentFormatter

    books, found = world.ledger.leads, chain(world)
    assert books is not None
    seconds = 2 ** (np.arange(1, BINS + 1) / OCTAVE) / 1e6
    for (step, name, colour), count in zip(CURVES, found.number[2:], strict=True):
        if count:
            axis.plot(seconds, np.cumsum(books.elapsed[step]) / count, color=colour, linewidth=2, label=name)
    axis.set_xscale("log")
    axis.set_xticks([s for s, _ in TIMES], [name for _, name in TIMES])
    axis.minorticks_off()
    axis.set_xlim(TIMES[0][0], 2 * TIMES[-1][0])
    axis.set_ylim(0, 1.02)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_title("How late it is known")
    axis.set_ylabel("share of all that come of the run's clicks")
    axis.set_xlabel("time since the click")
    if found.number[2]:
        axis.legend(loc="upper left", frameon=False)
    else:
        axis.text(0.5, 0.5, "no form was submitted", transform=axis.transAxes, ha="center")
