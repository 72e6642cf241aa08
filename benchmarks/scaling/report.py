"""What was found: tables, JSON and a picture of loss over compute, data and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.table import Table

from ..output.tables import plain_table
from .law import VIEWS, Fitted, fitted, means
from .runs import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Floors(NamedTuple):
    """Losses on the test users that need no training."""

    mean: float  # one rate for all
    law: float  # who knows ads and the law of tastes
    truth: float


class Found(NamedTuple):
    """All of it."""

    scenario: str
    digest: str
    device: str
    length: int
    tested: int
    floors: Floors
    points: tuple[Point, ...]
    fits: dict[tuple[str, str], Fitted | None]  # by view, and by what E is


NAMES = {"truth": "the truth", "law": "who knows the law", "free": "free"}


def laws(points: tuple[Point, ...], floors: Floors) -> dict[tuple[str, str], Fitted | None]:
    """Fits of each view with each floor."""
    given: dict[str, float | None] = {"truth": floors.truth, "law": floors.law, "free": None}
    return {(view, name): fitted(points, view, floor) for view in VIEWS for name, floor in given.items()}


def tables(found: Found) -> tuple[Table, Table]:
    """Losses by size and budget, and the laws."""
    rows = means(found.points)
    budgets, seeds = sorted({p.tokens for p in rows}), sorted({p.seed for p in found.points})
    f = found.floors
    losses = plain_table(
        f"{found.scenario}: loss on {found.tested:,} users over budgets of tokens, {len(seeds)} seeds, {found.device}",
        f"One rate for all {f.mean:.4f}, who knows ads and the law of tastes {f.law:.4f}, the truth {f.truth:.4f}.",
    )
    for column in ("size", "parameters", "with tables", *(f"{each:,}" for each in budgets), "std dev"):
        losses.add_column(column, justify="left" if column == "size" else "right", no_wrap=True)
    for size in dict.fromkeys(p.size for p in found.points):
        its = {p.tokens: p for p in rows if p.size == size}
        last = [p.loss for p in found.points if p.size == size and p.tokens == budgets[-1]]
        spread = f"{np.std(last, ddof=1):.4f}" if len(last) > 1 else ""
        some = next(iter(its.values()))
        told = (f"{its[each].loss:.4f}" for each in budgets)
        losses.add_row(size, f"{some.parameters:,}", f"{some.with_tables:,}", *told, spread)
    laws = plain_table(
        "L = E + A x^-a [95%: seeds and points drawn anew]",
        "Compute: of runs that nothing cheaper beats. Off: root mean square of L less the law.",
    )
    for column in ("over", "E is", "E", "a", "off", "points"):
        laws.add_column(column, justify="left" if column in ("over", "E is") else "right", no_wrap=True)
    for (view, name), fit in found.fits.items():
        if fit is None:
            laws.add_row(view, NAMES[name], "", "too few points", "", "")
            continue
        law = fit.law
        floor = f"{law.floor:.4f}" + (f" [{fit.floor[0]:.3f}, {fit.floor[1]:.3f}]" if name == "free" else "")
        exponent = f"{law.exponent:.3f} [{fit.exponent[0]:.3f}, {fit.exponent[1]:.3f}]"
        laws.add_row(view, NAMES[name], floor, exponent, f"{fit.off:.4f}", f"{fit.points}")
    return losses, laws


def to_json(found: Found) -> dict[str, Any]:
    """As a file holds it."""
    fits = [
        None if fit is None else {
            "over": view, "E_is": name, **fit.law._asdict(), "floor_95": fit.floor, "exponent_95": fit.exponent,
            "off": fit.off, "points": fit.points,
        }
        for (view, name), fit in found.fits.items()
    ]  # fmt: skip
    return {
        "scenario": {"name": found.scenario, "digest": found.digest}, "device": found.device, "length": found.length,
        "tested": found.tested, "floors": found.floors._asdict(), "points": [p._asdict() for p in found.points],
        "fits": [each for each in fits if each is not None],
    }  # fmt: skip


def picture(found: Found) -> Figure:
    """Loss over compute with its laws, over tokens by size, over parameters by budget; floors are dashed."""
    import seaborn as sns
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(15, 5), layout="constrained")
        axes = figure.subplots(1, 3, sharey=True)
        rows = means(found.points)
        sizes, budgets = list(dict.fromkeys(p.size for p in found.points)), sorted({p.tokens for p in rows})
        colours = dict(zip(sizes, sns.color_palette("viridis", len(sizes)), strict=True))
        for size in sizes:
            its = [p for p in rows if p.size == size]
            for axis, x in zip(axes, ([p.operations for p in its], [p.tokens for p in its]), strict=False):
                axis.plot(x, [p.loss for p in its], "o-", color=colours[size], markersize=4, linewidth=1.2, label=size)
        for budget, shade in zip(budgets, sns.color_palette("flare", len(budgets)), strict=True):
            its = sorted((p for p in rows if p.tokens == budget), key=lambda p: p.with_tables)
            x, y = [p.with_tables for p in its], [p.loss for p in its]
            axes[2].plot(x, y, "o-", color=shade, markersize=4, linewidth=1.2, label=f"{budget:,}")
        _laws(axes[0], found, [p.operations for p in rows])
        told = (("compute", "operations of training"), ("data", "tokens"), ("parameters", "parameters, tables of ads and all"))
        for axis, (title, label) in zip(axes, told, strict=True):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set(title=f"Loss over {title}", xlabel=label)
            _floors(axis, found.floors)
        axes[0].set_ylabel("log loss of clicks, over all that could have been")
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.05)}  # of the truth's line
        axes[0].legend(frameon=False, **above)
        axes[1].legend(frameon=False, title="width x layers", title_fontsize=9)
        axes[2].legend(frameon=False, title="tokens", title_fontsize=9, **above)
        count = len({p.seed for p in found.points})
        figure.suptitle(f"{found.scenario}: behaviour models, mean of {count} seeds", x=0.01, ha="left", fontsize=13, color=INK)
    return figure


def _laws(axis: Axes, found: Found, operations: list[float]) -> None:
    x = np.geomspace(min(operations), 10 * max(operations), 100)
    for (view, name), line in (((v, n), s) for v in ("compute",) for n, s in (("truth", ":"), ("law", "-."), ("free", "-"))):
        fit = found.fits[view, name]
        if fit is not None:
            axis.plot(
                x, fit.law.at(x), line, color="#444444", linewidth=1.4, label=f"a {fit.law.exponent:.2f}, E {NAMES[name]}"
            )


def _floors(axis: Axes, floors: Floors) -> None:
    from ...simulator.core.look import IDEAL

    for value, text in ((floors.mean, "one rate for all"), (floors.law, "who knows the law"), (floors.truth, "the truth")):
        axis.axhline(value, color=IDEAL, linewidth=1.1, linestyle="--", zorder=1)
        axis.annotate(text, (0.01, value), xycoords=("axes fraction", "data"), fontsize=8, color=IDEAL, va="bottom")
