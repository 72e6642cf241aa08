"""What became of requests between arrival and auction: the servers' day and the funnel's stages, as tables and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.core.histogram import quantile_us
from ...simulator.delivery.queue import Served
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..audits.funnel import STAGE_LABELS, Audit, audit
from ..output.tables import NARROW, plain_table
from .tables import requests_of
from .times import draw_marks, time_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PERIODS = 8  # of a day, in the table of the servers
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2)  # of the quotas, in the picture of what they buy
FULL, STEPPED, LATE, LEFT = "#9fbfdf", "#e9cf8f", "#e3b7a0", "#b5495b"


def serving_table(world: World) -> Table:
    """The servers' day in eight pieces, and a closing line for all of it."""
    books, steps = world.serving, has_steps(world)
    assert books is not None
    out = plain_table(
        "Servers",
        caption=("Stepped down: got less than the full quotas. " if steps else "")
        + "Timeouts: late, answered after the deadline, and left, having waited as long.",
    )
    out.padding = NARROW  # else it is wider than 100 columns
    shares = ("load", "waited", *["stepped down"][: int(steps)], "late", "left")
    for column in ("hours", "requests", "servers", *shares, "p50 ms", "p95 ms", "p99 ms"):
        out.add_column(column, justify="left" if column == "hours" else "right", no_wrap=True)

    def row(name: str, span: slice) -> None:
        counts = books.counts[: books.closed][span].sum(axis=0)
        servers = books.capacity[: books.closed][span]
        came, begun = max(counts[Served.ARRIVED], 1), max(counts[Served.BEGUN], 1)
        load = counts[Served.WORK_US] / max(servers.sum() * books.tick_us, 1)
        out.add_row(
            name, f"{counts[Served.ARRIVED]:,}", f"{servers.mean():.1f}", f"{load:.0%}", f"{counts[Served.WAITED] / begun:.0%}",
            *[f"{counts[Served.STEPPED_DOWN] / begun:.1%}"][: int(steps)], f"{counts[Served.LATE] / came:.1%}",
            f"{counts[Served.GAVE_UP] / came:.1%}",
            *(f"{books.quantiles(share, span):,.0f}" for share in (0.5, 0.95, 0.99)),
        )  # fmt: skip

    edges = np.linspace(0, books.closed, PERIODS + 1).round().astype(int)
    hours = edges * books.tick_us / HOUR_US
    for low, high, start, end in zip(edges[:-1], edges[1:], hours[:-1], hours[1:], strict=True):
        if high > low:
            row(f"{start:g} to {end:g}", slice(low, high))
    out.add_section()
    row("all", slice(None))
    return out


def surfaces_table(world: World) -> Table:
    """A row per surface: its requests, what became of them, and what was seen, clicked and spent there."""
    assert world.surfaces is not None
    frame = world.surfaces.to_frame()
    owed = bool(frame["owed"].any())
    out = plain_table(
        "Surfaces",
        caption="Late: answered after the surface's deadline. CTR: clicks an impression."
        + (" Owed: what conversions cost that are paid for when reported." if owed else ""),
    )
    names = "surface", "requests", "served", "late", "left", "impressions", "clicks", "CTR", "spend", *["owed"][: int(owed)]
    for column in names:
        out.add_column(column, justify="left" if column == "surface" else "right", no_wrap=True)

    def row(name: str, of: pd.Series[float]) -> None:
        made, shown = max(of["requests"], 1), of["impressions"]
        out.add_row(
            name, f"{of['requests']:,.0f}", f"{of['served'] / made:.1%}", f"{of['late'] / made:.1%}",
            f"{of['left'] / made:.1%}", f"{shown:,.0f}", f"{of['clicks']:,.0f}",
            f"{of['clicks'] / shown:.2%}" if shown else "", f"{of['spend']:,.2f}", *[f"{of['owed']:,.2f}"][: int(owed)],
        )  # fmt: skip

    for name in frame.index:
        row(str(name), frame.loc[name])
    out.add_section()
    row("all", frame.sum())
    return out


def funnel_table(found: Audit) -> Table:
    """What each stage lets through of what is truly best."""
    out = plain_table(
        f"Funnel, {found.requests:,} requests traced at the full quotas",
        caption="Best: by true click rate x bid, with the bids of an expected day, not of this one. Recall: of as many of the "
        "best as the fine sort passes. Consistency: rank correlation of a stage's scores with the truth. eCPM: true click "
        "rate x that bid of the best slots still possible, per 1,000 impressions; lost: of the best slots of all ads.",
    )
    out.padding = NARROW
    names = "candidates", "recall", "best survives", "consistency", "eCPM", "lost here", "by here", "server ms"
    out.add_column("stage", no_wrap=True)
    for column in names:
        out.add_column(column, justify="right", no_wrap=True)
    out.add_row("all ads", f"{found.ads:,}", "", "", "", f"{found.best_ecpm:,.2f}", "", "", "")
    for n, stage in enumerate(STAGE_LABELS):
        before = found.lost[n - 1] if n else 0.0
        out.add_row(
            stage, f"{found.candidates[n]:,.0f}", f"{found.recall[n]:.1%}", f"{found.survival[n]:.1%}",
            f"{found.consistency[n]:.2f}", f"{found.ecpm[n]:,.2f}", f"{found.lost[n] - before:.2%}", f"{found.lost[n]:.2%}",
            f"{found.cost_s[n] * 1000:.1f}",
        )  # fmt: skip
    return out


def picture(world: World, seed: int = 0, requests: int = 100) -> Figure:
    """The fates of requests, their latency and the servers' load by hour, and what quotas buy: what of it the market has."""
    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        panels = ["fates", "latency", "load"] if world.serving is not None else []
        panels += ["quotas"] if world.scenario.funnel is not None else []
        columns = 3 if len(panels) == 3 else min(2, len(panels))
        rows = -(-len(panels) // columns)
        figure = Picture(figsize=((5 if columns == 3 else 6) * columns, 3.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis, panel in zip(axes.flat, panels, strict=False):
            if panel == "quotas":
                _quotas(axis, world.scenario, seed, requests)
            else:
                {"fates": _fates, "latency": _latency, "load": _load}[panel](axis, world)
                time_axis(axis, world.scenario, float(_hours(world)[-1]))
        if timed := [axis for axis, panel in zip(axes.flat, panels, strict=False) if panel != "quotas"]:
            draw_marks(timed, world, float(_hours(world)[-1]))
        figure.suptitle(f"{world.scenario.name}, seed {world.seed}: {requests_of(world)}", x=0.01, ha="left", color=INK)
    return figure


def _hours(world: World) -> Floats:
    assert world.serving is not None
    return np.arange(world.serving.closed + 1) * world.serving.tick_us / HOUR_US


def has_steps(world: World) -> bool:
    """Whether a request may be given less than the full quotas."""
    funnel = world.scenario.funnel
    return funnel is not None and (len(funnel.levels) > 1 or any(len(own.levels) > 1 for own in funnel.tiers))


def _fates(axis: Axes, world: World) -> None:
    """Requests a tick by what became of them."""
    from matplotlib.ticker import StrMethodFormatter

    assert world.serving is not None
    counts, edges = world.serving.counts[: world.serving.closed], _hours(world)
    answered = counts[:, Served.AUCTIONED]
    stepped = np.minimum(counts[:, Served.STEPPED_DOWN], answered)
    parts: Sequence[tuple[str, str, NDArray[np.int64]]] = (
        *((("full quotas", FULL, answered - stepped), ("stepped down", STEPPED, stepped)) if has_steps(world) else
          (("answered", FULL, answered),)),
        ("late", LATE, counts[:, Served.LATE]), ("left", LEFT, counts[:, Served.GAVE_UP]),
    )  # fmt: skip
    floor = np.zeros(len(counts))
    for name, colour, part in parts:
        axis.stairs(floor + part, edges, baseline=floor, fill=True, color=colour, label=name)
        floor = floor + part
    axis.set_title("What became of requests")
    axis.set_ylabel("requests a tick")
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_ylim(0, floor.max() * 1.25)
    axis.legend(loc="upper left", ncols=2, frameon=False)


def _latency(axis: Axes, world: World) -> None:
    """Quantiles of the time to an answer, and the deadline."""
    from ..output.figures import course

    assert world.serving is not None
    assert world.scenario.serving is not None
    books, edges = world.serving, _hours(world)
    at, tick = course(books.latency[: books.closed].sum(axis=1) > 0, edges)
    for share, colour in ((0.5, "#9fbfdf"), (0.95, "#4c72b0"), (0.99, "#1d3557")):
        curve = [quantile_us(row, share) / 1000 for row in books.latency[tick]]
        axis.plot(at, curve, color=colour, linewidth=1.8, label=f"p{share * 100:g}")
    deadline = world.scenario.serving.deadline_s
    if deadline is not None:
        axis.axhline(deadline * 1000, color=LEFT, linestyle="--", linewidth=1.4, label="deadline")
    axis.set_title("Time to an answer")
    axis.set_ylabel("ms")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.2)
    axis.legend(loc="upper left", ncols=4, frameon=False, columnspacing=1.0)


def _load(axis: Axes, world: World) -> None:
    """Work begun over the servers' time, and how many servers there were."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    assert world.serving is not None
    books, edges = world.serving, _hours(world)
    frame = books.to_frame()
    axis.stairs(frame["load"], edges, fill=True, color=FULL, label="load")
    axis.set_title("Servers")
    axis.set_ylabel("work over servers' time")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, max(1.25, frame["load"].max() * 1.25))
    other = axis.twinx()
    other.stairs(frame["servers"], edges, color=LEFT, linewidth=1.6, baseline=None, label="servers (right)")
    other.set_ylim(0, frame["servers"].max() * 1.6)
    other.yaxis.set_major_locator(MaxNLocator(integer=True))
    other.grid(visible=False)
    handles = [*axis.get_legend_handles_labels()[0], *other.get_legend_handles_labels()[0]]
    axis.legend(handles=handles, loc="upper left", ncols=2, frameon=False)


def _quotas(axis: Axes, scenario: Scenario, seed: int, requests: int) -> None:
    """Recall of the best and worth kept at the end of the funnel, over quotas from a sixteenth to twice the full ones."""
    from matplotlib.ticker import PercentFormatter

    assert scenario.funnel is not None
    full = scenario.funnel.levels[0]
    quotas = list(dict.fromkeys(scenario.funnel.scaled(share) for share in SHARES))
    audits = [audit(scenario, requests, seed, q) for q in quotas]
    quota = [q.recall for q in quotas]
    axis.plot(quota, [1 - a.lost[-1] for a in audits], "o-", color="#2f7d4f", label="eCPM of the best slots kept")
    axis.plot(quota, [a.recall[0] for a in audits], "o-", color="#4c72b0", label="recall of the best by recall")
    axis.plot(quota, [a.survival[-1] for a in audits], "o-", color="#e08a4f", label="the best ad comes to the auction")
    axis.axvline(full.recall, color="0.6", linestyle=":", linewidth=1.2)
    axis.set_xscale("log", base=2)
    axis.set_xticks(quota, [f"{q:,.0f}" for q in quota])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.02)
    axis.set_title("What quotas buy")
    axis.set_xlabel("quota of recall; the others in proportion (dotted: in force)")
    axis.legend(loc="lower right", frameon=False)
