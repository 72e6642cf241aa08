"""The pictures of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.core.look import IDEAL, INK, style
from ..output.figures import Picture
from . import statistics
from .colours import colours
from .report import Found, shares, strata
from .suite import Curve, Frontier, Metric, Results, Shown

CURVES = 6  # of policies in one panel; more cannot be told apart


@style()
def comparison(results: Results, narrow: bool = False) -> Figure:
    """Each policy's share of static hindsight, day by day and on average; beside it (narrow: below) what else a suite draws."""
    drawn = [(metric, metric.panel) for metric in results.suite.shown(results) if metric.panel is not None]
    own = shares(results)
    names = sorted(own, key=lambda name: own[name].mean())
    height, count = 1.6 + (0.4 if narrow else 0.52) * len(names), len(drawn)
    if narrow:
        figure = Picture(figsize=(4.6, count * height), layout="constrained")
        axes = list(figure.subplots(count, 1, squeeze=False).flat)
    else:
        figure = Picture(figsize=(7.4 + 4.6 * (count - 1), height), layout="constrained")
        axes = list(figure.subplots(1, count, sharey=True, squeeze=False, width_ratios=[1.6, *[1] * (count - 1)]).flat)
    for axis, (metric, panel) in zip(axes, drawn, strict=True):
        _dots(axis, results, {name: results.by_case(name, metric) for name in names})
        if panel.share:
            axis.xaxis.set_major_formatter(PercentFormatter(1.0))
            axis.set_xlim(left=0)
        axis.set_title(panel.title)
        axis.set_xlabel(panel.axis)
    for axis in axes if narrow else axes[:1]:
        axis.set_yticks(range(len(names)), names)
    axes[0].axvline(1.0, color=IDEAL, linewidth=1.6)
    axes[0].set_xlim(right=max(1.02, axes[0].get_xlim()[1]))
    told = "mean, ringed" if len(results.cases) < statistics.FEWEST else "mean and 95% interval, black"
    figure.suptitle(
        f"{results.scenario.name}: {results.played}, dots; {told}",
        x=0.01,
        ha="left",
        fontsize=10 if narrow else 12,
        color=INK,
    )
    return figure


def _dots(axis: Axes, results: Results, numbers: Mapping[str, Floats]) -> None:
    """A line for each policy: a dot a day, the mean and its interval, if the days are enough for one."""
    seats = strata(results)
    palette, dice = colours(results.suite, results.policies), np.random.default_rng(0)
    for place, (name, values) in enumerate(numbers.items()):
        jitter = place + dice.uniform(-0.16, 0.16, values.size)
        axis.scatter(values, jitter, s=14, color=palette[name], alpha=0.45, linewidth=0)
        estimate = statistics.mean(values, seats)
        if estimate.interval is not None:
            axis.plot(estimate.interval, [place, place], color=INK, linewidth=2.4, solid_capstyle="round")
        axis.plot(estimate.mean, place, "o", color=palette[name], markeredgecolor=INK, markersize=8)
    axis.grid(axis="y", visible=False)


@style()
def curves(results: Results, curve: Curve, most: int = 4, narrow: bool = False) -> Figure:
    """The suite's curve of the best few policies on the first days of a comparison, against what is ideal."""
    own, suite, scenario = shares(results), results.suite, results.scenario
    names = sorted(results.runs, key=lambda name: -float(own[name].mean()))[:CURVES]
    days = min(2 if narrow else most, len(results.cases))
    shape, size = ((days, 1), (4.6, 2.5 * days + 1.4)) if narrow else ((1, days), (3.2 * days + 1.6, 3.6))
    figure = Picture(figsize=size, layout="constrained")
    axes = list(figure.subplots(*shape, sharey=True, squeeze=False).flat)
    hours = np.arange(scenario.days * scenario.ticks_per_day + 1) * scenario.tick_us / HOUR_US
    ideal, palette = suite.ideal(scenario), colours(results.suite, results.policies)
    for number, axis in enumerate(axes):
        axis.plot(hours, ideal, color=IDEAL, linewidth=4, alpha=0.35, label=curve.ideal)
        for name in names:
            axis.plot(hours, results.runs[name][number].curve, color=palette[name], linewidth=1.5, label=name)
        label = suite.label(scenario, results.cases[number].unit)
        title = f"{'day' if scenario.days == 1 else 'run'} {number + 1}"
        axis.set_title(f"{title}, {suite.unit} {label}" if label else title)
        axis.set_xlim(0, hours[-1])
        if hours[-1] == 24:
            axis.set_xticks(range(0, 25, 6))
        if curve.share:
            axis.yaxis.set_major_formatter(PercentFormatter(1.0))
            axis.set_ylim(0, 1.03)
        if not narrow or number == days - 1:
            axis.set_xlabel("hour of the day" if scenario.days == 1 else "hours")
        if narrow or number == 0:
            axis.set_ylabel(curve.axis)
    handles, labels = axes[0].get_lines(), [curve.ideal, *names]  # by themselves: _x would not come to a legend
    if narrow:
        figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=2)
    else:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


@style()
def frontier(results: Results, found: Found, drawn: Frontier, narrow: bool = False) -> Figure:
    """Each policy at its means of two metrics, with its name beside it."""
    across, up = (_metric(results, name) for name in (drawn.across, drawn.up))
    figure = Picture(figsize=(4.6, 4.6) if narrow else (8.4, 5.2), layout="constrained")
    axis = figure.subplots()
    palette, texts = colours(results.suite, results.policies), []
    for name in results.runs:
        x, y = found[name][drawn.across], found[name][drawn.up]
        axis.plot(x.mean, y.mean, "o", color=palette[name], markeredgecolor=INK, markersize=8)
        texts.append((x.mean, y.mean, name))
    axis.margins(0.14, 0.1)
    for metric, tell in ((across, axis.set_xlabel), (up, axis.set_ylabel)):
        tell((metric.page or metric.table or Shown(metric.name)).head)
    axis.set_title(f"{results.scenario.name}: {results.played}", loc="left")
    _label(figure, axis, texts)
    return figure


def _metric(results: Results, name: str) -> Metric:
    return next(metric for metric in results.suite.metrics if metric.name == name)


def _label(figure: Figure, axis: Axes, texts: list[tuple[float, float, str]]) -> None:
    """Writes names beside their dots, to the right or left, moved up or down until none lies on another or on a dot."""
    figure.draw_without_rendering()  # the layout, so that places are known
    dots = [axis.transData.transform((x, y)) for x, y, _ in texts]
    point = figure.dpi / 72
    taken = [(x - 5 * point, y - 5 * point, x + 5 * point, y + 5 * point) for x, y in dots]
    for (x, y), (across, up, name) in sorted(zip(dots, texts, strict=True), key=lambda one: -one[0][1]):
        wide, high = 5.2 * len(name) * point, 11 * point
        lifts = (0, *(sign * step for step in range(4, 200, 4) for sign in (1, -1)))
        for lift, side in product(lifts, (1, -1)):
            left = x + 9 * point if side > 0 else x - 9 * point - wide
            bottom = y + lift * point - high / 2
            box = left, bottom, left + wide, bottom + high
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                taken.append(box)
                line = {"arrowstyle": "-", "color": INK, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 5}
                axis.annotate(
                    name, (across, up), (9 * side, lift), textcoords="offset points", va="center", fontsize=9, color=INK,
                    ha="left" if side > 0 else "right", arrowprops=line if abs(lift) > 8 else None,
                )  # fmt: skip
                break
