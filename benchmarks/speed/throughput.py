"""Speed: how many auctions a second, how that holds from small to large, and what the machine could do at best.

Processor time of one thread, the best of several runs on fresh data, whole loop: SimPy ticks, PID bidders, scoring,
settlement. The roofline is measured in the same run from the five steps that no implementation avoids, each alone.
"""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.table import Table

from ...agents.bidding.pid import PID
from ...agents.learning.extras import missing
from ...simulator.core.errors import InvariantError
from ...simulator.core.rules import rule
from ...simulator.replay.walk import walk_bids, walk_rule
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..output.tables import plain_table, verdict
from .footprint import calm, journal_measures, peak_mb
from .funnels import funnel_measures, index_measures
from .roofline import roofline
from .stopwatch import REPEATS, Measure, best, processor_seconds


def loop_seconds(scenario: Scenario, seed: int, engine: Any = "compiled") -> tuple[float, int]:
    """Processor seconds and requests of one run under PID, set-up not counted."""
    world = World(scenario, {"bidding": PID()}, seed=seed, engine=engine)
    return processor_seconds(world.run), world.played


def whole_loop(engine: Any, scenario: Scenario, repeats: int = REPEATS) -> float:
    """Best auctions a second of processor time."""
    loop_seconds(scenario.override({"traffic.requests_per_day": 1000}), 0, engine)

    def rate(k: int) -> float:
        seconds, played = loop_seconds(scenario, k, engine)
        return -played / seconds

    return -best(rate, repeats)


def loop_measures() -> list[Measure]:
    """The whole loop beside its roofline, interleaved."""
    scenario = Scenario.preset("bidding")
    parts = roofline()
    rate = max(whole_loop("compiled", scenario) for _ in range(3))
    again = roofline()
    parts = {name: min(value, again[name]) for name, value in parts.items()}
    line = sum(parts.values())
    return [
        *(Measure(f"roofline: {name}", value, "ns") for name, value in parts.items()),
        Measure("roofline: together", line, "ns"),
        Measure("whole loop, compiled", rate / 1e6, "M auctions/s", least=2.5),
        Measure("whole loop over roofline", 1e9 / rate / line, "x", most=4.0),
    ]


def events_measures() -> list[Measure]:
    """The engine in which each request is a SimPy process."""
    rate = whole_loop("events", Scenario.preset("bidding-small"))
    return [Measure("whole loop, events", rate / 1e3, "k requests/s", least=80.0)]


def serving_measures() -> list[Measure]:
    """The bidding market with servers that are busy 80% of the time, all day, in both engines."""
    requests = 50_000
    scenario = calm(requests)
    busy = {"servers": 4, "service_s": 0.8 * 4 * scenario.day_s / requests}
    scenario = scenario.override({"traffic.curve": [1.0], "serving": busy})
    compiled, events = (whole_loop(engine, scenario) for engine in ("compiled", "events"))
    return [
        Measure("with servers at 80% load, compiled", compiled / 1e6, "M requests/s"),
        Measure("with servers at 80% load, events", events / 1e3, "k requests/s", least=30.0),
    ]


def replay_measures(auctions: int = 10_000_000) -> list[Measure]:
    """One bidder on a log in memory: a multiplier, and a compiled rule asked auction by auction, which bid the same."""
    dice = np.random.default_rng(0)
    price, rate, click = dice.integers(1, 300, auctions), dice.random(auctions), np.zeros(auctions, np.int8)
    books, believed, state = np.zeros(3, np.int64), np.zeros(1), np.array([200.0])

    @rule
    def linear(rate: float, budget_left: int, requests_left: int, state: Any) -> Any:
        return state[0] * rate

    def by_multiplier() -> None:
        walk_bids(200.0, rate, rate, price, click, 300, books, believed)

    def by_rule() -> None:
        walk_rule(rate, price, click, 300, auctions, linear.address, state, books, believed, 1.0)

    found: list[Measure] = []
    won = []
    for name, work in (("replay, one bidder by multiplier", by_multiplier), ("replay, one bidder by compiled rule", by_rule)):
        seconds = []
        for _ in range(REPEATS + 1):
            books[:] = 1 << 40, 0, 0
            seconds.append(processor_seconds(work))
        won.append(books.tolist())
        found.append(Measure(name, auctions / min(seconds) / 1e6, "M auctions/s", least=100.0))
    if won[0] != won[1]:
        raise InvariantError("a multiplier and a rule that bid the same did not win the same auctions")
    return found


SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)


def scaling_measures() -> list[Measure]:
    """Cost of an auction and peak memory from 10^5 to 10^8 requests a day."""
    costs = interleaved_costs(SIZES)
    peaks = [peak_mb(size) for size in SIZES]
    return [
        *(Measure(f"cost at 10^{round(math.log10(size))} requests a day", cost, "ns") for size, cost in costs.items()),
        Measure("largest cost over smallest", max(costs.values()) / min(costs.values()), "x", most=1.25),
        Measure("peak memory", max(peaks), "MB"),
        Measure("peak memory, largest less smallest", max(peaks) - min(peaks), "MB", most=50.0),
    ]


def interleaved_costs(sizes: tuple[int, ...]) -> dict[int, float]:
    """Nanoseconds an auction at each size, over whole days.

    The largest day is played tick by tick, and after each tick of it the other sizes play about half as many requests: a
    machine that is slow for a while is slow for all of them. Of the turns of a size the lower quartile counts: the best of
    several, but not the one lucky one.
    """
    scenarios = {size: calm(size) for size in sizes}
    largest = max(sizes)
    ticks = scenarios[largest].ticks_per_day
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    long_day = World(scenarios[largest], {"bidding": PID()})
    loop_seconds(scenarios[min(sizes)], 0)
    for tick in range(ticks):
        before = long_day.played
        took = processor_seconds(partial(long_day.run, (tick + 1) * long_day.scenario.tick_us))
        costs[largest].append(took / (long_day.played - before))
        for size in sizes:
            # Shares that add up to so many whole days by the last tick, of which at least one is played.
            days = max(1, largest // size // 2)
            share = range(days * tick // ticks, days * (tick + 1) // ticks) if size < largest else ()
            runs = [loop_seconds(scenarios[size], day) for day in share]
            if runs:
                costs[size].append(sum(took for took, _ in runs) / sum(met for _, met in runs))
    return {size: float(np.quantile(cost, 0.25)) * 1e9 for size, cost in costs.items()}


def thread_measures() -> list[Measure]:
    """Two worlds in two threads against one, wall-clock, interleaved; needs two idle cores."""
    scenario = Scenario.preset("bidding").override({"traffic.requests_per_day": 2_000_000})
    loop_seconds(scenario.override({"traffic.requests_per_day": 1000}), 0)

    def wall(count: int, seed: int) -> float:
        worlds = [World(scenario, {"bidding": PID()}, seed=seed) for _ in range(count)]
        threads = [threading.Thread(target=world.run) for world in worlds]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begun

    gains = [2 * wall(1, seed) / wall(2, seed) for seed in range(REPEATS)]
    return [Measure("two worlds in two threads, over one", max(gains), "x", least=1.8)]


def start_measures() -> list[Measure]:
    """Wall-clock time of a whole command, caches warm."""

    def start(*flags: str) -> float:
        command = [sys.executable, "-m", "adarena", "simulate", "--scenario", "tiny", *flags]

        def once(k: int) -> float:
            begun = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            return time.perf_counter() - begun

        once(0)
        return best(once, 3)

    return [
        Measure("warm start, simulate tiny", start("--no-figure"), "s", most=2.0),
        Measure("warm start, with the figure", start(), "s", most=5.0),
    ]


def measures(quick: bool) -> list[Callable[[], list[Measure]]]:
    """What is measured, in order."""
    if quick:
        return [loop_measures]
    from .creatives import creative_measures  # Gymnasium takes a while to import, as torch does
    from .environments import environment_measures
    from .pages import page_measures

    return [
        loop_measures, events_measures, serving_measures, environment_measures, page_measures, creative_measures,
        replay_measures, *_of_rankers(), thread_measures,
        start_measures, scaling_measures, journal_measures, funnel_measures, index_measures,
    ]  # fmt: skip


def _of_rankers() -> list[Callable[[], list[Measure]]]:
    """Those of models in PyTorch, where that is installed."""
    if missing(("torch",)):
        return []
    from .rankers import ranker_measures

    return [ranker_measures]


def run(quick: bool, advance: Callable[[], None]) -> list[Measure]:
    """Measures everything; calls `advance` after each step."""
    found = []
    for measure in measures(quick):
        found += measure()
        advance()
    return found


def table(found: list[Measure], title: str) -> Table:
    """A row per figure, with what is wanted and whether it is met."""
    out = plain_table(title)
    for column in ("measure", "figure", "unit", "wanted", ""):
        out.add_column(column, justify="right" if column in ("figure", "wanted") else "left")
    for m in found:
        wanted = f"at least {m.least:g}" if m.least is not None else f"at most {m.most:g}" if m.most is not None else ""
        told = "" if m.met is None else verdict("met" if m.met else "missed", m.met)
        out.add_row(m.name, f"{m.value:.3g}" if m.value < 100 else f"{m.value:.0f}", m.unit, wanted, told)
    return out


def to_json(found: list[Measure]) -> list[dict[str, Any]]:
    """The same for `--json`."""
    return [{**m._asdict(), "met": m.met} for m in found]
