"""How speed changes with what there is to do and with who does it: over campaigns, over slots, over cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from ...simulator.core.threads import processors
from ...simulator.scenario.tree import Scenario
from ..output.tables import plain_table
from .footprint import calm
from .roofline import roofline
from .throughput import loop_seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAMPAIGNS = (48, 96, 192, 384, 768, 1_536, 3_000)
SLOTS = (1, 2, 3, 4, 5, 6, 7, 8)
EXPOSURE = 0.8  # of the slots from the fourth on, after the one before
WORK = 20_000_000  # bids by request and campaign in a day that is measured
SHARE = 2_000_000  # requests of each world on a core of its own
REPEATS = 3


class Curve(NamedTuple):
    """Auctions a second of processor time at each size, and what the roofline would allow there."""

    over: str
    sizes: tuple[int, ...]
    rate: list[float]
    roofline: list[float]


class Side(NamedTuple):
    """Auctions a second, all worlds together, with 1, 2, ... worlds at a time: by the clock, and by the processors' time.

    What processors do for others, or wait for, tells the two apart.
    """

    clock: list[float]
    processor: list[float]


class Cores(NamedTuple):
    """Worlds side by side in threads of one process, which share their market's arrays, and in processes of their own."""

    sizes: tuple[int, ...]
    threads: Side
    processes: Side


class Curves(NamedTuple):
    """All of them."""

    campaigns: Curve
    slots: Curve
    cores: Cores


def sized(campaigns: int = 48, slots: int = 3, work: int = WORK) -> Scenario:
    """The preset `bidding` without weather, with so many campaigns and slots, and requests for so much work."""
    exposure = (1.0, 0.8, 0.6, *(round(0.6 * EXPOSURE**more, 4) for more in range(1, slots)))[:slots]
    changes = {"demand.campaigns": campaigns, "auction.slots": slots, "auction.exposure": exposure}
    return calm(max(10_000, work // campaigns)).override(changes)


def curve(
    over: str, sizes: Sequence[int], work: int = WORK, repeats: int = REPEATS, advance: Callable[[], None] | None = None
) -> Curve:
    """Speed over sizes of "campaigns" or "slots", the best of several turns, in each of which all sizes come by."""
    scenarios = [sized(**{over: size}, work=work) for size in sizes]
    rates, lines = [0.0] * len(sizes), [0.0] * len(sizes)
    for seed in range(repeats):
        for n, (size, scenario) in enumerate(zip(sizes, scenarios, strict=True)):
            if seed == 0:
                loop_seconds(scenario.override({"traffic.requests_per_day": 2_000}), 0)
            seconds, played = loop_seconds(scenario, seed)
            rates[n] = max(rates[n], played / seconds)
            lines[n] = max(lines[n], 1e9 / sum(roofline(**{over: size}, repeats=2).values()))
            if advance is not None:
                advance()
    return Curve(over, tuple(sizes), rates, lines)


def _world(seed: int, share: int) -> tuple[float, int]:
    """Plays a world; returns its processor seconds and auctions."""
    return loop_seconds(calm(share), seed)


def over_cores(most: int, share: int = SHARE, repeats: int = REPEATS, advance: Callable[[], None] | None = None) -> Cores:
    """So many worlds at a time as there are cores, up to `most`, in threads and in processes by turns; the best of several."""
    sizes, sides = tuple(range(1, most + 1)), (Side([0.0] * most, [0.0] * most), Side([0.0] * most, [0.0] * most))
    with ThreadPoolExecutor(most) as in_threads, ProcessPoolExecutor(most, mp_context=get_context("spawn")) as in_processes:
        pools: tuple[Executor, Executor] = (in_threads, in_processes)
        for pool in pools:  # everybody starts, and loads what is compiled
            list(pool.map(partial(_world, share=2_000), range(4 * most)))
        for _ in range(repeats):
            for n, size in enumerate(sizes):
                for pool, side in zip(pools, sides, strict=True):
                    begun = time.perf_counter()
                    worlds = list(pool.map(partial(_world, share=share), range(size)))
                    clock = sum(auctions for _, auctions in worlds) / (time.perf_counter() - begun)
                    side.clock[n] = max(side.clock[n], clock)
                    side.processor[n] = max(side.processor[n], sum(auctions / seconds for seconds, auctions in worlds))
                if advance is not None:
                    advance()
    return Cores(sizes, *sides)


def curves(advance: Callable[[], None] | None = None) -> Curves:
    """All curves."""
    return Curves(
        curve("campaigns", CAMPAIGNS, advance=advance),
        curve("slots", SLOTS, advance=advance),
        over_cores(processors(), advance=advance),
    )


def steps() -> int:
    """How often `curves` advances."""
    return REPEATS * (len(CAMPAIGNS) + len(SLOTS) + processors())


def tables(found: Curves) -> list[Table]:
    """A table per curve."""
    out = []
    for line in (found.campaigns, found.slots):
        rows = plain_table(f"Speed over {line.over}, million auctions a second of processor time")
        for column in (line.over, "whole loop", "roofline", "over the roofline"):
            rows.add_column(column, justify="right")
        for size, rate, limit in zip(line.sizes, line.rate, line.roofline, strict=True):
            rows.add_row(f"{size:,}", f"{rate / 1e6:.3g}", f"{limit / 1e6:.3g}", f"{limit / rate:.2f}")
        out.append(rows)
    rows = plain_table("Worlds side by side, million auctions a second together")
    for column in ("worlds", "threads, by the clock", "by processor time", "processes, by the clock", "by processor time"):
        rows.add_column(column, justify="right")
    for size, *rates in zip(found.cores.sizes, *found.cores.threads, *found.cores.processes, strict=True):
        rows.add_row(f"{size:,}", *(f"{rate / 1e6:.3g}" for rate in rates))
    return [*out, rows]


def picture(found: Curves) -> Figure:
    """All curves side by side."""
    from matplotlib.ticker import MaxNLocator

    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 3.9), layout="constrained")
        axes = figure.subplots(1, 3)
        for axis, line in zip(axes, (found.campaigns, found.slots), strict=False):
            axis.plot(line.sizes, [rate / 1e6 for rate in line.roofline], "o--", color="0.6", label="roofline")
            axis.plot(line.sizes, [rate / 1e6 for rate in line.rate], "o-", color="#4c72b0", label="whole loop")
            axis.set_xlabel(line.over)
            axis.legend(frameon=False, loc="lower left")
        axes[0].set_xscale("log", base=2)
        axes[0].set_yscale("log")
        axes[0].set_xticks(found.campaigns.sizes, [f"{size:,}" for size in found.campaigns.sizes])
        places = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
        axes[0].set_yticks(places, [f"{place:g}" for place in places])
        axes[0].set_ylim(0.8e-6 * min(found.campaigns.rate), 1.25e-6 * max(found.campaigns.roofline))
        axes[0].minorticks_off()
        axes[0].set_title("3 slots: million auctions a second")
        axes[1].set_xticks(found.slots.sizes)
        axes[1].set_ylim(0, 1.1e-6 * max(found.slots.roofline))
        axes[1].set_title("48 campaigns: million auctions a second")
        for side, colour, name in (
            (found.cores.threads, "#e08a4f", "threads"),
            (found.cores.processes, "#4c72b0", "processes"),
        ):
            axes[2].plot(
                found.cores.sizes, [rate / 1e6 for rate in side.processor], "o--", color=colour, label=f"{name}, processor time"
            )
            axes[2].plot(found.cores.sizes, [rate / 1e6 for rate in side.clock], "o-", color=colour, label=f"{name}, clock")
        axes[2].set_ylim(0, 1.1e-6 * max(found.cores.threads.processor + found.cores.processes.processor))
        axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[2].set_xlabel("worlds side by side")
        axes[2].set_title("Side by side: million auctions a second")
        axes[2].legend(frameon=False, loc="upper left")
        figure.suptitle("Speed of the whole loop, bidders under PID", x=0.01, ha="left", color=INK)
    return figure
