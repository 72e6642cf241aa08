"""The day of a funnel on servers by traffic tier: what came, how deep it was looked for, who waited, was lost, and paid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.clock import HOUR_US
from ...simulator.core.errors import MarketError
from ...simulator.delivery.queue import Served, revenue_of
from ...simulator.delivery.quotas import Ladders, service_s, tiers_of
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.compute.depths import GRID, quotas_at
from ...simulator.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PIECES = 48  # of a run, at most, in which depths are told: work differs much from request to request


class Day(NamedTuple):
    """A run by tick and tier, (ticks, T) unless said otherwise."""

    edges: Floats  # (ticks + 1,) hours at which ticks begin, and the last ends
    requests: Integers  # that came
    forecast: Floats  # (ticks,) of those of all tiers
    pieces: Integers  # (P + 1,) ticks with which pieces of the run begin, and the last ends
    wanted: Floats  # (P, T) depth of the full level that requests met, by its server seconds; NaN where none came
    given: Floats  # (P, T) depth at which servers began them, by their server seconds; NaN where none was begun
    asked: Floats  # servers that the full level would have kept busy
    servers: Floats  # (ticks,) that worked, mean
    waiting: Integers  # at the end of the tick
    lost: Integers  # answered too late, or not at all
    revenue: Floats  # currency, charged, and owed for conversions


def has_tiers(world: World) -> bool:
    """Whether there is such a day to look at: servers, a funnel, and more than one traffic tier."""
    scenario = world.scenario
    return scenario.serving is not None and scenario.funnel is not None and tiers_of(scenario) > 1


def by_tier(world: World) -> Day:
    """What the books hold of the closed ticks of a world that `has_tiers`.

    Raises:
        MarketError: if no tick has been played to its end.
    """
    books, scenario = world.serving, world.scenario
    assert books is not None
    if books.closed == 0:
        raise MarketError("there is nothing to draw yet: a world must have run for a tick at least")
    counts = books.by_tier[: books.closed]
    waiting = np.cumsum(counts[..., Served.ARRIVED] - counts[..., Served.BEGUN] - counts[..., Served.GAVE_UP], axis=0)
    pieces = np.linspace(0, books.closed, min(books.closed, PIECES) + 1).round().astype(np.int64)
    pooled = np.add.reduceat(counts, pieces[:-1], axis=0)
    shares = np.tile(world.forecast, scenario.days)[: books.closed]
    return Day(
        edges=np.arange(books.closed + 1) * scenario.tick_us / HOUR_US,
        requests=counts[..., Served.ARRIVED],
        forecast=scenario.expected_requests * shares,
        pieces=pieces,
        wanted=_depths(scenario, pooled[..., Served.ASKED_US], pooled[..., Served.ARRIVED]),
        given=_depths(scenario, pooled[..., Served.WORK_US], pooled[..., Served.BEGUN]),
        asked=counts[..., Served.ASKED_US] / scenario.tick_us,
        servers=books.capacity[: books.closed],
        waiting=waiting,
        lost=counts[..., Served.LATE] + counts[..., Served.GAVE_UP],
        revenue=revenue_of(counts),
    )


def _depths(scenario: Scenario, work_us: Integers, requests: Integers) -> Floats:
    """The depths (P, T) at which requests would have cost on average what these (P, T) did; NaN where there were none."""
    assert scenario.serving is not None
    assert scenario.funnel is not None
    tiers = requests.shape[1]
    ladders = Ladders.of(scenario.funnel, tiers)
    quotas = quotas_at(np.tile(GRID, (tiers, 1)), ladders.quotas[:, :1], ladders.cached)
    cost = service_s(scenario.serving, scenario.funnel, quotas)  # (T, D) seconds
    each = work_us / 1e6 / np.where(requests, requests, np.nan)
    return np.stack([np.interp(each[:, t], cost[t], GRID) for t in range(tiers)], axis=1)


def picture(world: World) -> Figure:
    """Six views of a day: requests, depth, servers, waiting, lost, and revenue, each by tier."""
    from matplotlib.ticker import StrMethodFormatter

    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        day = by_tier(world)
        figure = Picture(figsize=(13.5, 7), layout="constrained")
        axes = figure.subplots(2, 3)
        views: tuple[Callable[[Axes, Day], None], ...] = (_requests, _depth, _load, _waiting, _lost, _revenue)
        for axis, view in zip(axes.flat, views, strict=True):
            view(axis, day)
            axis.set_xlim(0, day.edges[-1])
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
            if world.scenario.days == 1 and world.scenario.day_s == 86_400:
                axis.set_xticks(range(0, 25, 4))
        for axis in axes[1]:
            axis.set_xlabel("hour")
        handles = axes[0, 0].patches[: day.requests.shape[1]]
        figure.legend(handles=handles, loc="outside upper right", ncols=min(len(handles), 8), frameon=False)
        scenario, lost = world.scenario, day.lost.sum() / max(day.requests.sum(), 1)
        title = f"{scenario.name}, seed {world.seed}: revenue {day.revenue.sum():,.0f}, {lost:.1%} of requests lost"
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK)
    return figure


def _stacked(axis: Axes, day: Day, parts: Integers | Floats) -> None:
    """Areas on each other, the tier that is served first at the bottom."""
    floor = np.zeros(len(parts))
    for t, part in enumerate(parts.T):
        axis.stairs(floor + part, day.edges, baseline=floor, fill=True, color=f"C{t}", alpha=0.75, label=f"tier {t}")
        floor = floor + part
    axis.set_ylim(0, max(float(floor.max(initial=0.0)), 1e-9) * 1.22)


def _outlined(axis: Axes, day: Day, numbers: Integers | Floats, label: str, dash: str = "-") -> None:
    """A line around or through areas, with a legend of its own and room for it."""
    from ...simulator.core.look import INK

    (low, high), most = axis.get_ylim(), 1.22 * float(numbers.max(initial=0.0))
    line = axis.stairs(numbers, day.edges, color=INK, linewidth=1.4, linestyle=dash, baseline=None, label=label)
    axis.set_ylim(low, max(high, most))
    axis.legend(handles=[line], loc="upper left", frameon=False)


def _requests(axis: Axes, day: Day) -> None:
    _stacked(axis, day, day.requests)
    _outlined(axis, day, day.forecast, "forecast", "--")
    axis.set_title("Requests")
    axis.set_ylabel("requests a tick")


def _depth(axis: Axes, day: Day) -> None:
    """What requests got, and dotted what the full level had for those that came."""
    from ...simulator.core.look import INK
    from ..output.figures import course

    for dash, width, depths in ((":", 1.2, day.wanted), ("-", 1.8, day.given)):
        for t in range(depths.shape[1]):
            at, piece = course(~np.isnan(depths[:, t]), day.edges[day.pieces])
            axis.plot(at, depths[piece, t], linestyle=dash, linewidth=width, color=f"C{t}")
    told = [axis.plot([], [], dash, color=INK, label=label)[0] for dash, label in ((":", "in force"), ("-", "given"))]
    axis.legend(handles=told, loc="upper left", ncols=2, frameon=False)
    axis.set_title("Depth of the funnel, by server seconds")
    axis.set_ylabel("0: cached ads, 1: full quotas")
    axis.set_ylim(0, 1.22)
    axis.set_yticks(np.linspace(0, 1, 6))


def _load(axis: Axes, day: Day) -> None:
    _stacked(axis, day, day.asked)
    _outlined(axis, day, day.servers, "servers that work")
    axis.set_title("Load")
    axis.set_ylabel("servers' work asked for")


def _waiting(axis: Axes, day: Day) -> None:
    _stacked(axis, day, day.waiting)
    axis.set_title("Requests that wait")
    axis.set_ylabel("at the end of a tick")


def _lost(axis: Axes, day: Day) -> None:
    _stacked(axis, day, day.lost)
    _outlined(axis, day, day.requests.sum(axis=1), "all that came")
    axis.set_title("Requests lost")
    axis.set_ylabel("late or left, a tick")


def _revenue(axis: Axes, day: Day) -> None:
    _stacked(axis, day, day.revenue)
    axis.set_title("Revenue")
    axis.set_ylabel("currency a tick")
