"""What `adarena speed` does: one kind of measurement at a time, told as tables or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from ...agents.learning.extras import missing
from ...simulator.core.errors import MarketError
from ...simulator.core.threads import processors
from ...simulator.scenario.tree import Scenario
from ..output.progress import progress


def command(console: Console, asked: dict[str, bool], as_json: bool, out: Path, ray: str | None) -> None:
    """Measures what is asked for, by its flag; with none, everything that is held against a figure.

    Raises:
        MarketError: if more than one is asked for, or Ray for anything but a thousand million auctions.
    """
    chosen = [flag for flag, given in asked.items() if given]
    if len(chosen) > 1:
        together = " and ".join(f"--{flag}" for flag in chosen)
        raise MarketError(f"{together} are measurements of their own, which would disturb each other: ask for one")
    if ray is not None and chosen != ["billion"]:
        raise MarketError("--ray shares the work of --billion; other measurements are of this machine")
    kinds: dict[str, Callable[[Console, bool, Path], None]] = {
        "quick": _quick, "stages": _stages, "billion": partial(_billion, ray=ray), "curves": _curves,
    }  # fmt: skip
    kinds.get(chosen[0] if chosen else "", _all)(console, as_json, out)


def _all(console: Console, as_json: bool, out: Path) -> None:
    _throughput(console, as_json, quick=False)


def _quick(console: Console, as_json: bool, out: Path) -> None:
    _throughput(console, as_json, quick=True)


def _throughput(console: Console, as_json: bool, quick: bool) -> None:
    from . import throughput

    with progress("measuring", len(throughput.measures(quick))) as advance:
        found = throughput.run(quick, advance)
    if as_json:
        print(json.dumps(throughput.to_json(found), indent=2))
    else:
        console.print(throughput.table(found, "Speed: processor time, best of several"))
        if not quick and missing(("torch",)):
            console.print("Rankers are left out for want of PyTorch: pip install 'adarena[rl]'", markup=False)


def _billion(console: Console, as_json: bool, out: Path, ray: str | None) -> None:
    from ..comparison.workers import hired
    from . import billion, throughput

    days = billion.days_for(Scenario.preset("bidding"), billion.AUCTIONS)
    again = billion.tasks_to_check(days)
    jobs = processors() if ray is None else 1  # Ray has its own number
    with hired(jobs, ray) as crew, progress("days, then some of them again", len(days) + len(again)) as advance:
        found = billion.measured(days, again, crew, advance)
    if as_json:
        print(json.dumps(throughput.to_json(found), indent=2))
    else:
        console.print(throughput.table(found, "A thousand million auctions, 48 PID bidders, 3 slots"))


def _stages(console: Console, as_json: bool, out: Path) -> None:
    from . import funnel_stages, stages

    with progress("stages", 2 * stages.REPEATS + funnel_stages.TICKS) as advance:
        found = [stages.stages(Scenario.preset(name), advance=advance) for name in ("bidding", "bidding-small")]
        found.append(funnel_stages.stages(Scenario.preset("feed"), advance=advance))
    if as_json:
        print(json.dumps([stages.to_json(each) for each in found], indent=2))
    else:
        for each in found:
            console.print(stages.table(each))


def _curves(console: Console, as_json: bool, out: Path) -> None:
    from ..output.figures import save
    from . import curves

    with progress("sizes", curves.steps()) as advance:
        found = curves.curves(advance)
    path = save(curves.picture(found), out / "speed.png")
    if as_json:
        print(json.dumps({name: line._asdict() for name, line in found._asdict().items()}, indent=2))
        return
    for table in curves.tables(found):
        console.print(table)
    console.print(f"figure: {path}", soft_wrap=True)
