"""The pictures: a day of a market, and a comparison of policies. Each function draws a figure from arrays and returns it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.clock import HOUR_US
from ...simulator.core.errors import MarketError
from ...simulator.core.look import IDEAL, INK, style
from ...simulator.core.money import MICRO
from ..output.figures import Picture, course

if TYPE_CHECKING:
    from ...simulator.world import World


CROWD = 100  # campaigns: of more, bands are drawn and no single curves
BARS = 10  # campaigns with a bar of their own
NAMED = 5  # campaigns whose curves have names and colours
LONGEST = 18  # letters of a name in a legend
CROWDED = "median campaign, half and 90% of them"
OWN = ("#4c72b0", "#55a868", "#dd8452", "#8172b3", "#64b5cd")  # their colours, none like that of the ideal


@style()
def day(world: World) -> Figure:
    """Four views of a run: traffic, the price of a slot, and spend against the ideal and budgets running out.

    Where no campaign has a budget, the last two are what was spent and what it was worth, and who was seen how often.

    Raises:
        MarketError: if no tick has been played to its end.
    """
    scenario, ledger = world.scenario, world.ledger
    if ledger.closed == 0:
        raise MarketError("there is nothing to draw yet: a world must have run for a tick at least")
    edges = np.arange(ledger.closed + 1) * scenario.tick_us / HOUR_US
    figure = Picture(figsize=(12, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _traffic(axes[0, 0], world, edges)
    _prices(axes[1, 0], world, edges)
    timed = [*axes[:, 0], axes[0, 1]]
    if _limited(world).any():
        _spend(axes[0, 1], world, edges)
        _budgets(axes[1, 1], world, edges)
        timed.append(axes[1, 1])
    else:
        _worth(axes[0, 1], world, edges)
        _shown(axes[1, 1], world)
    for axis in timed:
        axis.set_xlim(0, edges[-1])
        axis.set_xlabel("hour of the day" if scenario.days == 1 and scenario.day_s == 86_400 else "hours")
        if scenario.days == 1 and scenario.day_s == 86_400:
            axis.set_xticks(range(0, 25, 4))
        elif scenario.day_s == 86_400:
            step = -(-scenario.days // 14)
            axis.set_xticks([24 * day for day in range(0, scenario.days, step)], range(1, scenario.days + 1, step))
            axis.set_xlabel("day, from its midnight")
    spend, value = ledger.spend().sum(), ledger.value().sum()
    figure.suptitle(
        f"{scenario.name}, seed {world.seed}: {_counted(world.played, 'request')}, "
        f"{_counted(len(ledger.campaigns.names), 'campaign')}, "
        f"spend {spend:,.0f}, expected value {value:,.0f}",
        x=0.01, ha="left", fontsize=13, color=INK,
    )  # fmt: skip
    return figure


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _limited(world: World) -> NDArray[np.bool_]:
    """Which campaigns have a budget."""
    return np.array([c.budget_per_day is not None for c in world.campaigns.listed])


def _traffic(axis: Axes, world: World, edges: Floats) -> None:
    requests = world.ledger.requests()
    forecast = np.tile(world.forecast, world.scenario.days)[: requests.size] * world.scenario.expected_requests
    axis.stairs(requests, edges, fill=True, color="#9fbfdf", label="requests")
    axis.stairs(forecast, edges, color=IDEAL, linewidth=1.6, label="forecast", baseline=None)
    axis.set_title("Traffic")
    axis.set_ylabel("requests a tick")
    axis.set_ylim(0, max(requests.max(), forecast.max()) * 1.22)
    axis.legend(loc="upper left", ncols=2, frameon=False)


def _spend(axis: Axes, world: World, edges: Floats) -> None:
    """Cumulative spend of each day over the daily budget, campaigns with a budget only."""
    table, per_day, limited = world.campaigns, world.scenario.ticks_per_day, _limited(world)
    axis.set_title("Spend against the ideal")
    spend = world.ledger.spend()[:, limited] / (table.budget[limited] / MICRO)
    days = [np.cumsum(part, axis=0) for part in np.split(spend, range(per_day, len(spend), per_day))]
    ideal = np.concatenate([[0.0], np.cumsum(world.forecast)])
    crowd, named = limited.sum() > CROWD, limited.sum() <= NAMED
    for number, curve in enumerate(days):
        at = edges[number * per_day : number * per_day + len(curve) + 1]
        curve = np.vstack([np.zeros(curve.shape[1]), curve])
        if crowd:
            for low, high in ((5, 95), (25, 75)):
                axis.fill_between(at, *np.percentile(curve, [low, high], axis=1), color="#4c72b0", alpha=0.25, linewidth=0)
            axis.plot(at, np.median(curve, axis=1), color="#4c72b0", linewidth=1.6)
        elif named:
            for column, colour in zip(curve.T, OWN, strict=False):
                axis.plot(at, column, color=colour, linewidth=1.4)
        else:
            axis.plot(at, curve, color="#4c72b0", linewidth=0.7, alpha=0.35)
        axis.plot(at, ideal[: len(at)], color=IDEAL, linewidth=2)
    shown = [_short(table.names[k]) for k in np.flatnonzero(limited)] if named else [CROWDED if crowd else "a campaign"]
    lines = [Line2D([], [], color=colour, linewidth=1.4 if named else 1) for colour, _ in zip(OWN, shown, strict=False)]
    lines.append(Line2D([], [], color=IDEAL, linewidth=2))
    axis.set_ylabel("share of budget spent")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    several = world.scenario.days > 1  # curves fill the panel up to its top
    axis.set_ylim(0, 1.2 if several else 1.04)
    if several and named:
        axis.set_ylim(0, 1.12 + 0.12 * math.ceil(len(lines) / 3))
    # Handles and labels by themselves: a name that begins with _ would not come to a legend.
    axis.legend(
        lines, [*shown, "the forecast's curve"], loc="upper left", frameon=False, ncols=3 if several and named else 1 + several
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


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
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
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
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_xlabel("impressions")
    axis.grid(axis="y", visible=False)


def _prices(axis: Axes, world: World, edges: Floats) -> None:
    """Mean price of an impression over all campaigns, and the spread of campaigns' means around it."""
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


def _budgets(axis: Axes, world: World, edges: Floats) -> None:
    """How many campaigns can no longer pay the price of a slot, and how much of all budgets is left."""
    table, ledger, limited = world.campaigns, world.ledger, _limited(world)
    axis.set_title("Budgets running out")
    left = ledger.left[: ledger.closed, limited] / MICRO
    price = np.nan_to_num(ledger.market_price[: ledger.closed, limited])
    broke = (left <= price).mean(axis=1)
    axis.stairs(broke, edges, fill=True, color="#e3b7a0", label="campaigns that cannot pay a slot")
    total = left.sum(axis=1) / (table.budget[limited].sum() / MICRO)
    if total.size == 1:  # a line of one point could not be seen; the day began with all of it
        total, edges = np.append(1.0, total), np.append(0.0, edges)
    axis.plot(edges[1:], total, color=INK, linewidth=1.6, label="budget left")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.25)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.legend(loc="upper left", ncols=2, frameon=False, columnspacing=1.0)
