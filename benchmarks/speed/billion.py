"""A thousand million auctions: days of the preset `bidding` side by side on all cores, in memory that does not grow.

A day is what a process is given at a time: the preset's own, of some 500,000 requests with its weather, so that the progress is
fine, the last days end together, and each can be played again by itself. Their ledgers must be the same to the last byte.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ...agents.bidding.pid import PID
from ...simulator.books.ledger import Ledger
from ...simulator.core.errors import InvariantError, MarketError
from ...simulator.requests.traffic import Intensity
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from ..comparison.workers import Crew
from .footprint import peak_of_this_process
from .stopwatch import Measure, processor_seconds

AUCTIONS = 1_000_000_000
AGAIN = 100  # of so many days one is played again by itself
SLACK = 6.0  # standard deviations of the requests that come in all


class Task(NamedTuple):
    """A day to be played."""

    scenario: Scenario
    seed: int


class Day(NamedTuple):
    """A day that has been played."""

    seed: int
    auctions: int
    digest: str  # of its ledger
    seconds: float  # of a processor, the making of its world included
    process: int
    peak_mb: float  # the most that this process has held by now


class Run(NamedTuple):
    """Many days, in the order of their seeds, and how long they took by the clock, the start of processes included."""

    days: list[Day]
    seconds: float
    cores: int

    @property
    def auctions(self) -> int:
        """Of all days."""
        return sum(day.auctions for day in self.days)

    @property
    def processor_seconds(self) -> float:
        """Of all days."""
        return sum(day.seconds for day in self.days)

    @property
    def peaks(self) -> dict[int, list[float]]:
        """What each process has held at most, MB, after each of its days."""
        found: dict[int, list[float]] = {}
        for day in self.days:
            found.setdefault(day.process, []).append(day.peak_mb)
        return {process: sorted(peaks) for process, peaks in found.items()}


def days_for(scenario: Scenario, auctions: int) -> list[Task]:
    """As many days, by their seeds from 0 up, as it takes for so many auctions, whatever chance makes of their weather.

    Raises:
        MarketError: if there is no auction to be played.
    """
    if auctions < 1:
        raise MarketError(f"at least one auction is played, not {auctions}")
    tasks: list[Task] = []
    expected, wanted = 0.0, auctions + SLACK * math.sqrt(auctions)
    while expected < wanted:
        expected += float(Intensity.of(scenario, len(tasks)).total[-1])
        tasks.append(Task(scenario, len(tasks)))
    return tasks


def play(task: Task) -> Day:
    """Plays a day under PID bidders."""
    played: list[World] = []

    def run() -> None:
        world = World(task.scenario, {"bidding": PID()}, seed=task.seed)
        world.run()
        played.append(world)

    seconds, (world,) = processor_seconds(run), played
    return Day(task.seed, world.played, digest(world.ledger), seconds, os.getpid(), peak_of_this_process())


def digest(ledger: Ledger) -> str:
    """A digest of all bytes of a ledger's rows."""
    state = hashlib.blake2b(digest_size=16)
    for rows in (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price):
        state.update(rows.tobytes())
    return state.hexdigest()


def play_side_by_side(tasks: Sequence[Task], crew: Crew, advance: Callable[[], None] | None = None) -> Run:
    """Has a crew play days; `advance()` is called after each."""
    size, begun = crew.size, time.perf_counter()
    days = list(_told(crew.results(play, tasks), advance))
    return Run(sorted(days), time.perf_counter() - begun, size)


def _told(days: Iterator[tuple[int, Day]], advance: Callable[[], None] | None) -> Iterator[Day]:
    for _, day in days:
        if advance is not None:
            advance()
        yield day


def check(run: Run, tasks: Sequence[Task], advance: Callable[[], None] | None = None) -> None:
    """Plays days again, one after the other in this process.

    Raises:
        InvariantError: if a ledger differs by a byte from that of the same day in `run`.
    """
    days = {day.seed: day for day in run.days}
    for task in tasks:
        if play(task).digest != days[task.seed].digest:
            raise InvariantError(f"day {task.seed} has another ledger by itself than side by side with others")
        if advance is not None:
            advance()


def measures(run: Run, checked: int) -> list[Measure]:
    """What is told of a run of which so many days were played again."""
    peaks = run.peaks.values()
    clock = run.auctions / run.seconds
    return [
        Measure("auctions", run.auctions / 1e6, "million"),
        Measure("days of `bidding`", len(run.days), ""),
        Measure("cores", run.cores, ""),
        Measure("by the clock", run.seconds, "s", most=240.0 * max(1.0, run.auctions / AUCTIONS)),
        Measure("auctions by the clock", clock / 1e6, "M/s"),
        Measure("auctions by processor time", run.auctions / run.processor_seconds / 1e6, "M/s"),
        Measure("of the cores' time, had by these processes", run.processor_seconds / run.seconds / run.cores, ""),
        Measure("peak memory of all processes", sum(peak[-1] for peak in peaks), "MB"),
        Measure("peak memory of a process", max(peak[-1] for peak in peaks), "MB"),
        Measure("growth of that after a process's first day", max(peak[-1] - peak[0] for peak in peaks), "MB", most=50.0),
        Measure("days played again by themselves, same bytes", checked, ""),
    ]


def tasks_to_check(tasks: Sequence[Task]) -> Sequence[Task]:
    """A day of every hundred, and the last."""
    return [*tasks[:-1:AGAIN], tasks[-1]]


def measured(
    tasks: Sequence[Task], again: Sequence[Task], crew: Crew, advance: Callable[[], None] | None = None
) -> list[Measure]:
    """Has a crew play all days, then plays some of them again, and tells of it; `advance()` is called after each.

    Before the clock starts a short day is played here, so that what it takes is compiled once, and found by all.
    """
    play(Task(tasks[0].scenario.override({"traffic.requests_per_day": 1_000}), 0))
    run = play_side_by_side(tasks, crew, advance)
    check(run, again, advance)
    return measures(run, len(again))
