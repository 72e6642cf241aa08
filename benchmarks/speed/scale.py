"""A market split over shards against the whole: how far spend and value are off, and what a call to the shards costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from ...agents.catalogue import make_policy
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO
from ...simulator.scenario.tree import Scenario
from ...simulator.shards import Sharded
from ...simulator.shards.actors import Actors
from ...simulator.shards.shard import Orders, Report, Shard
from ...simulator.world import World
from ..comparison.cluster import Cluster
from ..output.figures import save
from ..output.progress import progress
from ..output.tables import plain_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LADDER = (2, 4, 8, 16)
FEWEST = 3  # days
REQUESTS = np.logspace(5, 10, 51)  # a day, for what is computed
NAMES = {1e5: "10⁵", 1e6: "10⁶", 1e7: "10⁷", 1e8: "10⁸", 1e9: "10⁹", 1e10: "10¹⁰"}
LENGTHS = {0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s", 60.0: "1 min", 600.0: "10 min", 3600.0: "1 h"}
CORES = (16, 256)  # for what is computed


class OtherLuck:
    """The whole market in one place, on the same days, but with other arrivals and outcomes."""

    def __init__(self, scenario: Scenario, seed: int, shards: int) -> None:
        self._shard = Shard(scenario, seed, 1, 1)

    def play(self, orders: Sequence[Orders]) -> list[Report]:
        """As `Places` do."""
        return [self._shard.play(one) for one in orders]


class Errors(NamedTuple):
    """How far several days are from the same days in the plain market, as a share of its mean day."""

    label: str
    spend: Floats  # (days,)
    value: Floats  # (days,)
    least_left: int  # of any campaign's budget after any tick, millionths: below 0 is overspent
    day: float  # seconds of a day by the clock, the median


class Cost(NamedTuple):
    """What a stretch without requests costs by the clock, seconds, for so many shards: a call to each, and the head's part."""

    shards: int
    threads: float
    ray: float  # NaN: not measured


class Scale(NamedTuple):
    """What is known of splitting a market."""

    scenario: Scenario
    luck: Errors
    errors: tuple[Errors, ...]  # by the ladder
    ladder: tuple[int, ...]
    request: float  # processor seconds of a request in the plain market
    whole: float  # seconds of a stretch without requests there
    day: float  # of a day there, by the clock, the median
    costs: tuple[Cost, ...]


def command(
    console: Console, market: Scenario, bidder: str, days: int, ladder: tuple[int, ...], ray: str | None, folder: Path
) -> None:
    """Plays days split and whole, prints tables and draws them into the folder."""
    with progress(f"{market.name}, shards", steps(days, ladder)) as advance:
        found = measure(market, bidder, days, ladder, ray, advance)
    for table in tables(found):
        console.print(table)
    console.print(f"figure: {save(picture(found), folder / 'scale.png')}", soft_wrap=True)


def steps(days: int, ladder: Sequence[int]) -> int:
    """How many steps `measure` takes."""
    return days * (2 + len(ladder)) + len(ladder)


def measure(
    scenario: Scenario,
    bidder: str,
    days: int,
    ladder: tuple[int, ...],
    ray: str | None,
    advance: Callable[[], None],
) -> Scale:
    """Plays test days in the plain market, with other luck, and split over each number of shards; then times the calls.

    Args:
        scenario: the market.
        bidder: who bids for all campaigns, as the catalogue reads it.
        days: how many, seeds from 0 up.
        ladder: numbers of shards.
        ray: where shards are for the timing beside threads here: "local" or a cluster's address; None: nowhere.
        advance: called after each of `steps(...)` steps.

    Raises:
        MarketError: if there are too few days, or the market cannot be split.
    """
    if days < FEWEST:
        raise MarketError(f"an error needs at least {FEWEST} days to be told from luck, not {days}")

    def lived(engine: Any) -> tuple[Floats, int, float]:
        found, least, took = [], [], []
        for seed in range(days):
            world = World(scenario, {"bidding": make_policy("bidding", bidder)}, seed, engine)
            begun = time.perf_counter()
            world.run()
            took.append(time.perf_counter() - begun)
            found.append((world.ledger.spend().sum(), world.ledger.value().sum()))
            least.append(int(world.ledger.left.min()))
            advance()
        return np.array(found), min(least), float(np.median(took))

    World(scenario, {}, 0, Sharded(2)).run(scenario.tick_us)  # compiled
    plain, _, day = lived("compiled")

    def errors(label: str, engine: Any) -> Errors:
        found, least, took = lived(engine)
        spend, value = ((found - plain) / plain.mean(axis=0)).T
        return Errors(label, spend, value, least, took)

    luck = errors("other luck", Sharded(1, OtherLuck))
    off = tuple(errors(f"{shards} shards", Sharded(shards)) for shards in ladder)
    with ExitStack() as stack:
        if ray is not None:
            stack.enter_context(Cluster(ray)).join()
        costs = []
        for shards in ladder:
            there = np.nan if ray is None else _stretch(scenario, Sharded(shards, places=Actors))
            costs.append(Cost(shards, _stretch(scenario, Sharded(shards)), there))
            advance()
    costly = _request(scenario), _stretch(scenario, "compiled"), day
    return Scale(scenario, luck, off, ladder, *costly, tuple(costs))


def _stretch(scenario: Scenario, engine: Any) -> float:
    """Seconds by the clock of a stretch in which hardly anybody asks: the median over a day's ticks but the first."""
    drawn: dict[str, Any] = {"demand.budget_share": None} if scenario.demand.kind == "drawn" else {}
    world = World(scenario.override({"traffic.requests_per_day": 1, **drawn}), {}, 0, engine)
    took = []
    for tick in range(1, scenario.ticks_per_day + 1):
        begun = time.perf_counter()
        world.run(tick * scenario.tick_us)
        took.append(time.perf_counter() - begun)
    return float(np.median(took[1:]))


def _request(scenario: Scenario) -> float:
    """Processor seconds of a request on days of about a million: the least of three."""
    found, many = [], scenario.override({"traffic.requests_per_day": 1_000_000})
    for seed in range(3):
        world = World(many, {}, seed)
        begun = time.thread_time()
        world.run()
        found.append((time.thread_time() - begun) / max(world.played, 1))
    return min(found)


def interval(found: Floats) -> tuple[float, float]:
    """A mean and the half-width of its 95% interval, Student's t."""
    return float(found.mean()), float(stats.t.ppf(0.975, found.size - 1) * found.std(ddof=1) / np.sqrt(found.size))


def tables(found: Scale) -> tuple[Table, Table]:
    """How far each number of shards is off, and what it costs by the clock."""
    off = plain_table(
        f"Split over shards: {found.scenario.name}, {found.luck.spend.size} days",
        caption="Error: mean over days of spend and value less the plain market's, as a share of its mean day [95%]. Spread: "
        "standard deviation of a day's error. Least left: of any budget after any tick, currency.",
    )
    for column in ("", "spend, error", "spread", "value, error", "spread", "least left"):
        off.add_column(column, justify="right" if column else "left", no_wrap=True)
    costs = plain_table(
        f"What it costs on this machine, {os.cpu_count()} processors",
        caption="By the clock: a day of this market, the median; a stretch between two events without requests, a call to each "
        f"shard. A request of the plain market takes {found.request * 1e9:,.0f} ns of a processor (days of a million).",
    )
    for column in ("", "day, threads", "call, threads", "call, Ray"):
        costs.add_column(column, justify="right" if column else "left", no_wrap=True)
    costs.add_row("plain", f"{found.day:.3f} s", _ms(found.whole), "")
    for one in (found.luck, *found.errors):
        cells = []
        for errors in (one.spend, one.value):
            mean, half = interval(errors)
            cells += [f"{mean:+.2%} ± {half:.2%}", f"{errors.std(ddof=1):.2%}"]
        off.add_row(one.label, *cells, f"{one.least_left / MICRO:.2f}")
    for one, cost in zip(found.errors, found.costs, strict=True):
        costs.add_row(one.label, f"{one.day:.3f} s", _ms(cost.threads), _ms(cost.ray))
    return off, costs


def _ms(seconds: float) -> str:
    return "" if np.isnan(seconds) else f"{seconds * 1e3:.2f} ms"


def day_s(found: Scale, shards: int, call: float) -> Floats:
    """Computed seconds of a day of each of `REQUESTS`, a core for each shard: requests x cost / shards + calls x `call`."""
    return REQUESTS * found.request / shards + found.scenario.ticks_per_day * call


def call_s(found: Scale, shards: int) -> float:
    """What a call to so many shards takes: a line through what was measured, by Ray where it was."""
    measured = [one.threads if np.isnan(one.ray) else one.ray for one in found.costs]
    if len(measured) < 2:
        return measured[0] / found.ladder[0] * shards
    slope, first = np.polyfit(found.ladder, measured, 1)
    return float(max(first, 0.0) + slope * shards)


def picture(found: Scale) -> Figure:
    """Errors by the number of shards, and how long a day takes, as computed from what was measured."""
    from matplotlib.ticker import PercentFormatter

    from ...simulator.core.look import INK, style
    from ..output.figures import Picture

    with style():
        figure = Picture(figsize=(13, 3.9), layout="constrained")
        axes = figure.subplots(1, 3)
        for axis, name in zip(axes, ("spend", "value"), strict=False):
            spread = float(getattr(found.luck, name).std(ddof=1))
            mean, half = np.array([interval(getattr(one, name)) for one in found.errors]).T
            axis.axhspan(-spread, spread, color="0.9", label="a day's other luck, ± 1 SD")
            axis.axhline(0, color="0.6", linewidth=1)
            axis.errorbar(found.ladder, mean, half, fmt="o-", color="#4c72b0", capsize=3, label="mean error [95%]")
            axis.set_xscale("log", base=2)
            axis.set_xticks(found.ladder, [str(shards) for shards in found.ladder])
            axis.minorticks_off()
            axis.set_xlabel("shards")
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=2))
            axis.set_title(f"{name.capitalize()} against the plain market")
        axes[0].legend(loc="lower left", fontsize=8)
        ways = [("one core, plain", day_s(found, 1, found.whole), INK)]
        ways += [
            (f"{cores} shards, a core each", day_s(found, cores, call_s(found, cores)), color)
            for cores, color in zip(CORES, ("#2f7d4f", "#e08a4f"), strict=True)
        ]
        for label, seconds, color in ways:
            axes[2].plot(REQUESTS, seconds, "-", color=color, label=label)
        axes[2].set_xscale("log")
        axes[2].set_yscale("log")
        axes[2].set_xticks(list(NAMES), list(NAMES.values()))
        axes[2].set_yticks(list(LENGTHS), list(LENGTHS.values()))
        axes[2].minorticks_off()
        axes[2].set_xlabel("requests a day")
        axes[2].set_title("What a day takes, computed")
        axes[2].legend(loc="lower right", fontsize=8)
        title = f"{found.scenario.name}: {found.luck.spend.size} days"
        figure.suptitle(title, x=0.01, ha="left", color=INK)
    return figure
