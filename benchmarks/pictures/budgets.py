"""Panels of a day's picture about money that is limited: spend against the ideal, and budgets running out.

Of a few days each has its own curves; more are laid over each other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import Floats
from ...simulator.core.look import IDEAL, INK
from ...simulator.core.money import MICRO
from .times import day_axis, is_folded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...simulator.world import World

CROWD = 100  # campaigns: of more, bands are drawn and no single curves
NAMED = 5  # campaigns whose curves have names and colours
LONGEST = 18  # letters of a name in a legend
CROWDED = "median campaign, half and 90% of them"
FOLDED = "median campaign and day, half and 90% of them"
OWN = ("#4c72b0", "#55a868", "#dd8452", "#8172b3", "#64b5cd")  # their colours, none like that of the ideal
BLUE = OWN[0]


def limited(world: World) -> NDArray[np.bool_]:
    """Which campaigns have a budget."""
    return np.array([c.budget_per_day is not None for c in world.campaigns.listed])


def runs(world: World, day: int) -> NDArray[np.bool_]:
    """Which campaigns run on a day: those with a flight, and those who have spent all the same."""
    per_day = world.scenario.ticks_per_day
    spent = np.any(world.ledger.spend()[day * per_day : (day + 1) * per_day] > 0, axis=0)
    there: NDArray[np.bool_] = world.campaigns.active(day) | spent
    return there


def spent_shares(world: World) -> list[Floats]:
    """By day, what campaigns with a budget have spent of it by each tick, (1 + ticks, campaigns); NaN where they do not run."""
    who, per_day = limited(world), world.scenario.ticks_per_day
    spend = world.ledger.spend()[:, who] / (world.campaigns.budget[who] / MICRO)
    out = []
    for day, part in enumerate(np.split(spend, range(per_day, len(spend), per_day))):
        curve = np.vstack([np.zeros(part.shape[1]), np.cumsum(part, axis=0)])
        out.append(np.where(runs(world, day)[who], curve, np.nan))
    return out


def spend(axis: Axes, world: World, edges: Floats) -> None:
    """Cumulative spend of each day over the daily budget, campaigns with a budget only."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import PercentFormatter

    days, names = spent_shares(world), [world.campaigns.names[k] for k in np.flatnonzero(limited(world))]
    ideal, named = np.concatenate([[0.0], np.cumsum(world.forecast)]), len(names) <= NAMED
    axis.set_title("Spend against the ideal")
    axis.set_ylabel("share of budget spent")
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    shown = [_short(name) for name in names] if named else [CROWDED if len(names) > CROWD else "a campaign"]
    if is_folded(world.scenario):
        shown = _folded(axis, world, days, edges, shown if named else None)
    else:
        for number, curve in enumerate(days):
            at = edges[number * world.scenario.ticks_per_day :][: len(curve)]
            if len(names) > CROWD:
                _band(axis, at, curve)
            elif named:
                for column, colour in zip(curve.T, OWN, strict=False):
                    axis.plot(at, column, color=colour, linewidth=1.4)
            else:
                axis.plot(at, curve, color=BLUE, linewidth=0.7, alpha=0.35)
            axis.plot(at, ideal[: len(at)], color=IDEAL, linewidth=2)
    lines = [Line2D([], [], color=colour, linewidth=1.4 if named else 1) for colour, _ in zip(OWN, shown, strict=False)]
    lines.append(Line2D([], [], color=IDEAL, linewidth=2))
    several = world.scenario.days > 1 and not is_folded(world.scenario)  # curves fill the panel up to its top
    most = max(1.0, float(np.nanmax(np.concatenate([np.zeros((1, len(names))), *days]))))  # a top-up lets one pass 100%
    room = 0.12 + 0.12 * math.ceil(len(lines) / 3) if several and named else 0.2 if several else 0.04
    axis.set_ylim(0, most * (1 + room))
    # Handles and labels by themselves: a name that begins with _ would not come to a legend.
    columns = 3 if several and named else 1 + several
    axis.legend(lines, [*shown, "the forecast's curve"], loc="upper left", frameon=False, ncols=columns)


def _band(axis: Axes, at: Floats, curves: Floats) -> None:
    """The median of curves (ticks, n), half of them and 90%."""
    for low, high in ((5, 95), (25, 75)):
        axis.fill_between(at, *np.nanpercentile(curves, [low, high], axis=1), color=BLUE, alpha=0.25, linewidth=0)
    axis.plot(at, np.nanmedian(curves, axis=1), color=BLUE, linewidth=1.6)


def _folded(axis: Axes, world: World, days: list[Floats], edges: Floats, named: list[str] | None) -> list[str]:
    """Days over each other: each campaign's mean where they have names, else a band; returns what the legend says."""
    whole = np.array([day for day in days if len(day) == len(days[0])])  # (days, 1 + ticks, campaigns)
    at = edges[: whole.shape[1]]
    axis.set_title(f"Spend against the ideal, {len(whole)} days over each other")
    curves = whole.transpose(1, 0, 2)
    kept = ~np.isnan(curves[-1])  # of campaigns that run on a day
    if named is None:
        _band(axis, at, curves[:, kept])
        shown = [FOLDED]
    else:
        for place, colour in zip(range(len(named)), OWN, strict=False):
            own = curves[:, kept[:, place], place]
            if own.size:
                axis.fill_between(at, own.min(axis=1), own.max(axis=1), color=colour, alpha=0.15, linewidth=0)
                axis.plot(at, own.mean(axis=1), color=colour, linewidth=1.6)
        shown = [f"{name}, mean" if place == 0 else name for place, name in enumerate(named)]
    axis.plot(at, np.concatenate([[0.0], np.cumsum(world.forecast)])[: len(at)], color=IDEAL, linewidth=2)
    day_axis(axis, world.scenario)
    return shown


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


def left_shares(world: World) -> tuple[Floats, Floats]:
    """By tick, which share of the campaigns with a budget that run cannot pay a slot, and how much of their budgets is left."""
    ledger, who, per_day = world.ledger, limited(world), world.scenario.ticks_per_day
    budget, left = world.campaigns.budget / MICRO, ledger.left[: ledger.closed] / MICRO
    price = np.nan_to_num(ledger.market_price[: ledger.closed])
    broke, total = np.zeros(ledger.closed), np.zeros(ledger.closed)
    for day in range(-(-ledger.closed // per_day)):
        rows, there = slice(day * per_day, (day + 1) * per_day), who & runs(world, day)
        if there.any():
            broke[rows] = (left[rows, there] <= price[rows, there]).mean(axis=1)
            total[rows] = left[rows, there].sum(axis=1) / budget[there].sum()
    return broke, total


def budgets(axis: Axes, world: World, edges: Floats) -> None:
    """How many campaigns can no longer pay the price of a slot, and how much of all budgets is left."""
    from matplotlib.ticker import PercentFormatter

    broke, total = left_shares(world)
    axis.set_title("Budgets running out")
    per_day = world.scenario.ticks_per_day
    cannot, left = "campaigns that cannot pay a slot", "budget left"
    if is_folded(world.scenario) and broke.size >= per_day:
        whole = broke.size // per_day
        axis.set_title(f"Budgets running out, {whole} days over each other")
        broke, total, edges = *(x[: whole * per_day].reshape(whole, per_day) for x in (broke, total)), edges[: per_day + 1]
        axis.fill_between(edges[1:], total.min(axis=0), total.max(axis=0), color=INK, alpha=0.12, linewidth=0)
        broke, total, most = broke.mean(axis=0), total.mean(axis=0), float(total.max())
        cannot, left = "cannot pay a slot, mean", "budget left, mean, least to most"
        day_axis(axis, world.scenario)
    else:
        most = float(total.max())
    axis.stairs(broke, edges, fill=True, color="#e3b7a0", label=cannot)
    if total.size == 1:  # a line of one point could not be seen; the day began with all of it
        total, edges = np.append(1.0, total), np.append(0.0, edges)
    axis.plot(edges[1:], total, color=INK, linewidth=1.6, label=left)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.25 * max(1.0, most))
    if most <= 1:
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.legend(loc="upper left", ncols=2, frameon=False, columnspacing=1.0)
