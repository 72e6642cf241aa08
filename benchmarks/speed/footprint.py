"""Memory of a market of any size, and of one that logs a hundred million impressions; each in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from ...agents.bidding.pid import PID
from ...simulator.books.journal import Logs
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World
from .stopwatch import Measure, processor_seconds

LOGGED = 45_000_000  # requests of a day of `bidding`, somewhat more than 10^8 impressions


def calm(size: int) -> Scenario:
    """The market without weather, so that a size is that size."""
    still = {"traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "traffic.surge_probability": 0.0}
    return Scenario.preset("bidding").override({**still, "traffic.requests_per_day": size})


def peak_mb(size: int) -> float:
    """The most memory that a fresh process holds at a tick of a day of this size."""
    return _in_fresh_process("day", size)[0]


def journal_measures() -> list[Measure]:
    """A day of more than 10^8 impressions, logged to Parquet in a temporary folder (4 GB for the while)."""
    impressions, seconds, early, late = _in_fresh_process("log", LOGGED)
    name = f"{impressions / 1e6:.0f} million impressions logged"
    return [
        Measure(name, impressions / seconds / 1e6, "M impressions/s"),
        Measure(f"{name}, most memory", max(early, late), "MB"),
        Measure(f"{name}, second half of the day less the first", late - early, "MB", most=50.0),
    ]


def _in_fresh_process(what: str, size: int) -> list[float]:
    command = [sys.executable, "-m", __name__, what, str(size)]
    return [float(x) for x in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


class Watched(NamedTuple):
    """A day that was played: its world, processor seconds, and the memory held at each of its ticks, MB."""

    world: World
    seconds: float
    resident: list[float]


def _watched(size: int, folder: str | None = None) -> Watched:
    resident = []

    def watch(world: World) -> Generator[Any, Any, None]:
        while True:
            resident.append(_resident_mb())
            yield world.env.timeout(world.scenario.tick_us)

    world = World(calm(size), {"bidding": PID()}, journal=None if folder is None else Logs(folder))
    world.process(watch(world))
    return Watched(world, processor_seconds(world.run), resident)


def _resident_mb() -> float:
    """Memory this process holds now (Linux), or its largest ever (elsewhere)."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / (1 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def peak_of_this_process() -> float:
    """The most memory this process has ever held, MB."""
    if sys.platform == "linux":  # where what `resource` tells begins with that of the process which started this one
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def _main(what: str, size: int) -> None:
    if what == "day":
        print(max(_watched(size).resident))
        return
    with TemporaryDirectory() as folder:
        world, seconds, resident = _watched(size, folder)
    halves = np.array_split(resident, 2)
    print(world.ledger.impressions().sum(), seconds, *(half.max() for half in halves))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
