"""What `adarena servers` does: from texts on a command line to tables, `servers.json` and a picture of the curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..simulator.scenario.tree import Scenario
from . import servers
from .commands import Terms, agreed, kept, publish
from .comparison import statistics
from .comparison.report import as_json, written
from .comparison.statistics import Estimate
from .output.figures import encoded
from .output.progress import progress
from .output.tables import plain_table
from .servers import Curves
from .suites import suite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = tuple[float, float, float]


def command(
    console: Console,
    scenario: Scenario,
    policies: tuple[str, ...],
    numbers: Sequence[int],
    seeds: int,
    reference: str | None,
    folder: Path,
    terms: Terms,
) -> None:
    """Plays the policies on test days with each number of servers, prints tables, and writes rows, estimates and a picture."""
    seat, ladder = suite("compute"), servers.ladder_of(scenario, numbers)
    labels, reference = agreed(seat, policies, reference, seeds)
    with (
        kept(console, folder / "results.sqlite", terms.fresh) as store,
        progress(f"{scenario.name}, servers", servers.steps(seat, labels, ladder, seeds)) as advance,
    ):
        found = servers.measure(
            seat, scenario, labels, reference, ladder, seeds, advance, skip=terms.skip, crew=terms.crew, store=store
        )
    for table in tables(found):
        console.print(table)
    files: dict[Path, bytes | str] = {folder / "servers.json": as_json(content(found))}
    for kind in ("png", "svg"):
        files[folder / f"servers.{kind}"] = encoded(picture(found), kind)
    publish(console, folder, files)


def ranked(found: Curves) -> list[str]:
    """Labels, the largest revenue with the planned servers first."""
    return sorted(found.policies, key=lambda label: -servers.mean(found, label, found.planned).mean)


def tables(found: Curves) -> tuple[Table, Table]:
    """Revenue by the number of servers, and how many do for the same."""
    days, planned, own = len(found.cases), found.planned, found.reference
    by_number = plain_table(
        f"{found.scenario.name}: revenue by the number of servers, {days} days",
        caption=f"{own}: currency a day; others: above or below it with as many servers. {failing(found)}",
    )
    by_number.add_column("policy", overflow="fold")
    for number in found.servers:
        by_number.add_column(f"{number}", justify="right", no_wrap=True)
    for label in ranked(found):
        if label == own:
            by_number.add_row(label, *(f"{servers.mean(found, label, n).mean:,.0f}" for n in found.servers))
        else:
            by_number.add_row(label, *(f"{servers.over_reference(found, label, n).mean:+.1%}" for n in found.servers))
    told = "" if days < statistics.FEWEST else " [95% interval]"
    same = plain_table(
        f"The revenue of {own} with {planned} servers{told}",
        caption="Servers: that a policy needs for it, its means joined by straight lines; with ≤ or ≥ it lies at the end of "
        f"what was played, or beyond. Lost: share of requests, with {planned} servers.",
    )
    same.add_column("policy", overflow="fold")
    for column in (f"minus {own}", "servers", "fewer or more", "lost"):
        same.add_column(column, justify="right", no_wrap=True)
    for label in ranked(found):
        gone = f"{servers.lost(found, label, planned):.1%}"
        if label == own:
            same.add_row(label, "", f"{planned}", "", gone)
            continue
        more, less = servers.over_reference(found, label, planned), servers.change(found, label)
        count = bounded(found, less.mean, f"{planned * (1 + less.mean):.2f}")
        same.add_row(label, written(more, "+", ".1%"), count, changed(found, less), gone)
    return by_number, same


def failing(found: Curves) -> str:
    """What is to be said of failures."""
    serving = found.scenario.serving
    assert serving is not None
    if serving.failures is None and not serving.outages:
        return ""
    return "Of fewer or more servers as large a share fails, in whole servers."


def bounded(found: Curves, share: float, text: str) -> str:
    """A text about a change of servers, marked where that lies at an end of what was played."""
    low, high = _reach(found)
    return f"≤ {text}" if share <= low else f"≥ {text}" if share >= high else text


def changed(found: Curves, less: Estimate) -> str:
    """A change of servers in per cent, with its interval, if that is more than an end of what was played."""
    mean, *interval = (bounded(found, share, f"{share:+.0%}") for share in (less.mean, *(less.interval or ())))
    return f"{mean} [{', '.join(interval)}]" if {*interval} - {mean} else mean


def _reach(found: Curves) -> tuple[float, float]:
    """The smallest and the largest number of servers played, as changes of those planned."""
    return found.servers[0] / found.planned - 1.0, found.servers[-1] / found.planned - 1.0


def content(found: Curves) -> dict[str, Any]:
    """What goes to `servers.json`: a row per policy and number of servers, and what each policy needs for the same revenue.

    Ends of intervals are null on fewer days than intervals take. A change that equals the smallest or the largest possible
    lies there or beyond.
    """
    low, high = _reach(found)
    rows, same = [], []
    for label in found.policies:
        for number in found.servers:
            mean, over = servers.mean(found, label, number), servers.over_reference(found, label, number)
            rows.append(
                {
                    "policy": label, "servers": number, **_ends("revenue", mean), **_ends("over_reference", over),
                    "share_lost": servers.lost(found, label, number),
                }
            )  # fmt: skip
        less = servers.change(found, label)
        same.append({"policy": label, "servers": found.planned * (1 + less.mean), **_ends("change", less)})
    return {
        "scenario": {"name": found.scenario.name, "digest": found.scenario.digest},
        "seeds": [case.seed for case in found.cases],
        "policies": dict(found.policies),
        "reference": found.reference,
        "planned": found.planned,
        "servers": list(found.servers),
        "least_change": low,
        "most_change": high,
        "rows": rows,
        "same_revenue": same,
    }


def _ends(name: str, estimate: Estimate) -> dict[str, float | None]:
    low, high = estimate.interval or (None, None)
    return {name: estimate.mean, f"{name}_ci_low": low, f"{name}_ci_high": high}


def picture(found: Curves) -> Figure:
    """Revenue by the number of servers, the same over the reference's, and servers for the same revenue; a policy a colour."""
    import seaborn as sns

    from ..simulator.core.look import INK, style
    from .output.figures import Picture

    with style():
        names = ranked(found)
        palette = sns.color_palette("deep" if len(names) <= 10 else "husl", len(names))
        colours = dict(zip(found.policies, palette, strict=True))
        figure = Picture(figsize=(15, max(4.6, 2.2 + 0.34 * len(names))), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=[1.15, 1.15, 1])
        _revenue(axes[0], found, names, colours)
        _over(axes[1], found, names, colours)
        for axis in axes[:2]:
            axis.axvline(found.planned, color="0.6", linestyle=":", linewidth=1.2, zorder=1)
            axis.set_xticks(found.servers)
            axis.set_xlabel("servers (dotted: planned)")
        _same(axes[2], found, names, colours)
        few = len(found.cases) < statistics.FEWEST
        told = f"{len(found.cases)} days{'' if few else ', means and 95% intervals'}"
        figure.suptitle(f"{found.scenario.name}: {told}", x=0.01, ha="left", fontsize=13, color=INK)
        figure.legend(axes[0].containers, names, loc="outside lower center", ncols=min(len(names), 9), frameon=False)
    return figure


def _drawn(axis: Axes, found: Curves, estimates: Sequence[Estimate], place: int, of: int, colour: Colour) -> None:
    """A policy's line, set a little aside so that intervals do not lie on each other."""
    aside = (place - (of - 1) / 2) * 0.04 * float(np.diff(found.sizes).min())
    means = np.array([one.mean for one in estimates])
    ends = np.array([(one.mean, one.mean) if one.interval is None else one.interval for one in estimates])
    error = np.abs(ends - means[:, None]).T
    faint = (*colour, 0.45)
    axis.errorbar(found.sizes + aside, means, error, fmt="o-", color=colour, ecolor=faint, markersize=3.5, linewidth=1.5)


def _revenue(axis: Axes, found: Curves, names: Sequence[str], colours: dict[str, Colour]) -> None:
    from matplotlib.ticker import StrMethodFormatter

    from ..simulator.core.look import IDEAL

    for place, label in enumerate(names):
        _drawn(axis, found, [servers.mean(found, label, n) for n in found.servers], place, len(names), colours[label])
    wanted = servers.mean(found, found.reference, found.planned).mean
    axis.axhline(wanted, color=IDEAL, linewidth=1.2, linestyle="--", zorder=1)
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_title("Revenue a day")
    axis.set_ylabel(f"currency (red: {found.reference} with {found.planned})")


def _over(axis: Axes, found: Curves, names: Sequence[str], colours: dict[str, Colour]) -> None:
    from matplotlib.ticker import PercentFormatter

    for place, label in enumerate(names):
        its = [servers.over_reference(found, label, n) for n in found.servers]
        _drawn(axis, found, its, place, len(names), colours[label])
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_title(f"Above {found.reference} with as many servers")
    axis.set_ylabel("revenue, paired by day")


def _same(axis: Axes, found: Curves, names: Sequence[str], colours: dict[str, Colour]) -> None:
    """How many servers fewer, a row for each policy but the reference, the least first."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    from ..simulator.core.look import IDEAL, INK

    its = {label: servers.change(found, label) for label in names if label != found.reference}
    rows = sorted(its, key=lambda label: its[label].mean, reverse=True)
    low, high = _reach(found)
    for place, label in enumerate(rows):
        less = its[label]
        if less.interval is not None:
            axis.plot(less.interval, [place, place], color=INK, linewidth=2.2, solid_capstyle="round")
        end = "<" if less.mean <= low else ">" if less.mean >= high else "o"
        axis.plot(less.mean, place, end, color=colours[label], markeredgecolor=INK, markersize=8)
    axis.axvline(0.0, color=IDEAL, linewidth=1.2, linestyle="--", zorder=1)
    room = 0.04 * (high - low)
    axis.set_xlim(low - room, high + room)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(-0.6, max(len(rows), 1) - 0.4)
    axis.grid(axis="y", visible=False)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_title("Servers for the same revenue")
    axis.set_xlabel(f"fewer or more than {found.reference} with {found.planned} (arrow: or beyond)")
