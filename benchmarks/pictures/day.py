"""The picture of a day: traffic, prices, spend against the ideal, budgets; returned as a figure, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.core.errors import MarketError
from ...simulator.core.look import IDEAL, INK, style
from .budgets import budgets, limited, spend
from .tables import counted, requests_of
from .times import draw_marks, is_folded, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...simulator.world import World


WIDEST = 105  # letters of a title in large print
BARS = 10  # campaigns with a bar of their own


@style()
def day(world: World) -> Figure:
    """Four views of a run: traffic, the price of a slot, and spend against the ideal and budgets running out.

    Where no campaign has a budget, the last two are what was spent and what it was worth, and who was seen how often.

    Raises:
        MarketError: if no tick has been played to its end.
    """
    from ..output.figures import Picture

    scenario, ledger = world.scenario, world.ledger
    if ledger.closed == 0:
        raise MarketError("there is nothing to draw yet: a world must have run for a tick at least")
    edges = np.arange(ledger.closed + 1) * scenario.tick_us / HOUR_US
    figure = Picture(figsize=(12, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _traffic(axes[0, 0], world, edges)
    _prices(axes[1, 0], world, edges)
    timed = [*axes[:, 0], axes[0, 1]]
    if limited(world).any():
        spend(axes[0, 1], world, edges)
        budgets(axes[1, 1], world, edges)
        timed.append(axes[1, 1])
    else:
        _worth(axes[0, 1], world, edges)
        _shown(axes[1, 1], world)
    folded = is_folded(scenario) and limited(world).any()
    timed = list(axes[:, 0]) if folded else timed
    for axis in timed:
        time_axis(axis, scenario, float(edges[-1]))
    draw_marks(timed, world, float(edges[-1]))
    title = (
        f"{scenario.name}, seed {world.seed}: {requests_of(world)}, {counted(len(ledger.campaigns.names), 'campaign')}, "
        f"spend {ledger.spend().sum():,.0f}, expected value {ledger.value().sum():,.0f}"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=13 if len(title) <= WIDEST else 11, color=INK)
    return figure


def _traffic(axis: Axes, world: World, edges: Floats) -> None:
    requests = world.ledger.requests()
    forecast = np.tile(world.forecast, world.scenario.days)[: requests.size] * world.scenario.expected_requests
    axis.stairs(requests, edges, fill=True, color="#9fbfdf", label="requests made")
    axis.stairs(forecast, edges, color=IDEAL, linewidth=1.6, label="forecast", baseline=None)
    axis.set_title("Traffic")
    axis.set_ylabel("requests a tick")
    axis.set_ylim(0, max(requests.max(), forecast.max()) * 1.22)
    axis.legend(loc="upper left", ncols=2, frameon=False)


def _worth(axis: Axes, world: World, edges: Floats) -> None:
    """Spend and expected value of all campaigns, added up over each day."""
    per_day, ledger = world.scenario.ticks_per_day, world.ledger
    axis.set_title("Spend and expected value")
    if not ledger.impressions().any():
        axis.text(0.5, 0.5, "no impression was sold", transform=axis.transAxes, ha="center", color=INK)
        return
    for name, colour, numbers in (("expected value", "#4c72b0", ledger.value()), ("spend", "#2f7d4f", ledger.spend())):
        for first in range(0, ledger.closed, per_day):
            part = numbers[first : first + per_day].sum(axis=1)
            axis.plot(edges[first : first + part.size + 1], np.append(0, np.cumsum(part)), color=colour, linewidth=2,
                      label=None if first else name, clip_on=False, zorder=3)  # fmt: skip
    axis.set_ylabel("currency, since midnight")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.22)
    axis.yaxis.set_major_formatter("{x:,g}")
    axis.legend(loc="upper left", ncols=2, frameon=False)


def _shown(axis: Axes, world: World) -> None:
    """Impressions of each campaign, those seen most first."""
    impressions = world.ledger.impressions().sum(axis=0)
    axis.set_title("Impressions by campaign")
    if not impressions.any():
        axis.text(0.5, 0.5, "no impression was sold", transform=axis.transAxes, ha="center", color=INK)
        axis.set_xticks([])
        axis.set_yticks([])
        return
    order = np.argsort(-impressions, kind="stable")
    most, others = order[:BARS], order[BARS:]
    names = [world.campaigns.names[k] for k in most] + [f"{others.size} others"] * (others.size > 0)
    numbers = [*impressions[most].tolist()] + [int(impressions[others].sum())] * (others.size > 0)
    axis.barh(range(len(names)), numbers, color="#9fbfdf", height=0.66)
    for place, number in enumerate(numbers):
        axis.text(number, place, f" {number:,}", va="center", fontsize=9, color=INK)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set_ylim(max(len(names), 3) - 0.5, -0.5)
    axis.set_xlim(0, max(numbers) * 1.18)
    axis.xaxis.set_major_formatter("{x:,g}")
    axis.set_xlabel("impressions")
    axis.grid(axis="y", visible=False)


def _prices(axis: Axes, world: World, edges: Floats) -> None:
    """Mean price of an impression over all campaigns, and the spread of campaigns' means around it."""
    from ..output.figures import course

    ledger = world.ledger
    impressions = ledger.impressions()
    with np.errstate(invalid="ignore", divide="ignore"):
        own = ledger.spend() / impressions
        overall = ledger.spend().sum(axis=1) / impressions.sum(axis=1)
    axis.set_title("Price of an impression")
    at, tick = course(impressions.sum(axis=1) > 0, edges)
    if not at.size:
        axis.text(0.5, 0.5, "no impression was sold", transform=axis.transAxes, ha="center", color=INK)
        return
    low, high = np.nanpercentile(own[tick], [10, 90], axis=1)
    axis.fill_between(at, low, high, color="#9fcfa8", alpha=0.55, linewidth=0, label="10-90% of campaigns")
    axis.plot(at, overall[tick], color="#2f7d4f", linewidth=2, label="mean paid")
    least = ledger.market_price[: ledger.closed].mean(axis=1)[tick]
    axis.plot(at, least, color=INK, linewidth=1.2, linestyle="--", label="least winning cost")
    axis.set_ylabel("currency")
    axis.set_ylim(0, max(float(curve.max()) for curve in (high, overall[tick], least)) * 1.25)
    axis.legend(loc="upper left", ncols=3, frameon=False, columnspacing=1.0)
