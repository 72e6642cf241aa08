"""The pictures of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ...simulator.core.arrays import Floats
from ...simulator.core.look import IDEAL, INK, style
from ...simulator.market.market import build
from ..output.figures import Picture
from . import statistics

if TYPE_CHECKING:
    from ..suites.bidding import Results


CURVES = 6  # of policies in one panel; more cannot be told apart


@style()
def comparison(results: Results, narrow: bool = False) -> Figure:
    """Each policy's share of static hindsight, day by day and on average, beside (narrow: above) how evenly it spent."""
    best = np.array([y.score for y in results.yardsticks])
    shares = {name: np.array([r.score for r in runs]) / best for name, runs in results.runs.items()}
    errors = {name: np.array([r.pacing_error for r in runs]) for name, runs in results.runs.items()}
    names = sorted(shares, key=lambda name: shares[name].mean())
    height = 1.6 + (0.4 if narrow else 0.52) * len(names)
    if narrow:
        figure = Picture(figsize=(4.6, 2 * height), layout="constrained")
        axes = figure.subplots(2, 1)
    else:
        figure = Picture(figsize=(12, height), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
    for axis, numbers in ((axes[0], shares), (axes[1], errors)):
        _dots(axis, results, {name: numbers[name] for name in names})
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
        axis.set_xlim(left=0)
    for axis in axes if narrow else axes[:1]:
        axis.set_yticks(range(len(names)), names)
    axes[0].axvline(1.0, color=IDEAL, linewidth=1.6)
    axes[0].set_xlim(right=max(1.02, axes[0].get_xlim()[1]))
    axes[0].set_title(f"{'Score' if results.scored else 'Value'} as a share of static hindsight")
    axes[0].set_xlabel("share of the day's best constant multiplier (red)")
    axes[1].set_title("Pacing error")
    axes[1].set_xlabel("mean distance from the traffic curve, share of budget")
    told = "mean, ringed" if len(best) < statistics.FEWEST else "mean and 95% interval, black"
    figure.suptitle(
        f"{results.scenario.name}: {len(best)} days, dots; {told}",
        x=0.01,
        ha="left",
        fontsize=10 if narrow else 12,
        color=INK,
    )
    return figure


def _dots(axis: Axes, results: Results, numbers: Mapping[str, Floats]) -> None:
    """A line for each policy: a dot a day, the mean and its interval, if the days are enough for one."""
    seats = statistics.strata([case.campaign for case in results.cases])
    palette, dice = _colours(results), np.random.default_rng(0)
    for place, (name, values) in enumerate(numbers.items()):
        jitter = place + dice.uniform(-0.16, 0.16, values.size)
        axis.scatter(values, jitter, s=14, color=palette[name], alpha=0.45, linewidth=0)
        estimate = statistics.mean(values, seats)
        if estimate.interval is not None:
            axis.plot(estimate.interval, [place, place], color=INK, linewidth=2.4, solid_capstyle="round")
        axis.plot(estimate.mean, place, "o", color=palette[name], markeredgecolor=INK, markersize=8)
    axis.grid(axis="y", visible=False)


def _colours(results: Results) -> dict[str, tuple[float, float, float]]:
    """A policy has one colour in all figures of a comparison."""
    palette = sns.color_palette("deep" if len(results.runs) <= 10 else "husl", len(results.runs))
    return dict(zip(results.runs, palette, strict=True))


@style()
def spending(results: Results, forecast: Floats, most: int = 4, narrow: bool = False) -> Figure:
    """How the best few policies spent the budget on the first days of a comparison, against the forecast's curve."""
    best = np.array([y.score for y in results.yardsticks])
    names = sorted(results.runs, key=lambda name: -float(np.mean([r.score for r in results.runs[name]] / best)))[:CURVES]
    days = min(2 if narrow else most, len(results.cases))
    shape, size = ((days, 1), (4.6, 2.5 * days + 1.4)) if narrow else ((1, days), (3.2 * days + 1.6, 3.6))
    figure = Picture(figsize=size, layout="constrained")
    axes = list(figure.subplots(*shape, sharey=True, squeeze=False).flat)
    scenario = results.scenario
    hours = np.arange(scenario.days * scenario.ticks_per_day + 1) * scenario.tick_us / 3.6e9
    ideal = np.concatenate([[0.0], np.cumsum(np.tile(forecast, scenario.days))]) / scenario.days
    palette, names_of = _colours(results), build(scenario).campaigns.names
    for number, axis in enumerate(axes):
        axis.plot(hours, ideal, color=IDEAL, linewidth=4, alpha=0.35, label="the forecast's curve")
        for name in names:
            axis.plot(hours, results.runs[name][number].spend_curve, color=palette[name], linewidth=1.5, label=name)
        axis.set_title(f"day {number + 1}, campaign {names_of[results.cases[number].campaign]}")
        axis.set_xlim(0, hours[-1])
        if hours[-1] == 24:
            axis.set_xticks(range(0, 25, 6))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.set_ylim(0, 1.03)
        if not narrow or number == days - 1:
            axis.set_xlabel("hour of the day" if scenario.days == 1 else "hours")
        if narrow or number == 0:
            axis.set_ylabel("share of budget spent")
    handles, labels = axes[0].get_lines(), ["the forecast's curve", *names]  # by themselves: _x would not come to a legend
    if narrow:
        figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=2)
    else:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure
