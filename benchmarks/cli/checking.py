"""Commands that check: speed, theory, published figures, all results anew; and what compiles beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from . import terminal


def speed(
    json_: Annotated[bool, tyro.conf.arg(name="json")] = False,
    quick: bool = False,
    stages: bool = False,
    billion: bool = False,
    curves: bool = False,
    ray: terminal.Ray = None,
    out: Path = Path("out/speed"),
) -> None:
    """Measures speed: processor time, best of several, fresh data, one core. docs/speed.md holds what it found.

    Args:
        json_: print JSON.
        quick: only the whole loop and its roofline, not the long sweeps.
        stages: where the time of an auction goes, and of a request of `feed`, beside the roofline.
        billion: 10^9 auctions of `bidding` on all cores, some of whose days are then played again by themselves.
        curves: speed over campaigns, slots and cores, as tables and picture.
        ray: have --billion played on a Ray cluster instead, at HOST:PORT, or "local" on this machine.
        out: folder for the picture of --curves.
    """
    from ..speed import commands

    asked = {"quick": quick, "stages": stages, "billion": billion, "curves": curves}
    commands.command(terminal.console, asked, json_, terminal.folder(out) if curves else out, ray)


def theory(json_: Annotated[bool, tyro.conf.arg(name="json")] = False) -> None:
    """Checks the market against what is known in closed form; fails if a check does.

    Args:
        json_: print JSON.
    """
    from .. import theory as checks

    raise SystemExit(checks.command(terminal.console, json_))


def realism(out: Path = Path("out/realism")) -> None:
    """Holds the presets against published figures of real markets: a table, and a picture.

    Args:
        out: folder for the picture.
    """
    from ..audits import realism as facts

    facts.command(terminal.console, terminal.folder(out))


def results(
    only: tuple[str, ...] = (),
    list_: Annotated[bool, tyro.conf.arg(name="list")] = False,
    small: bool = False,
    out: Path = Path("out/results"),
) -> None:
    """Makes figures and tables of README and docs anew, step by step; what was done with the same sources is not done again.

    Args:
        only: steps to do, e.g. day presets; by default all, which takes days.
        list_: only list the steps: what each runs, what it writes, and how long that takes.
        small: steps that have a form of seconds, in that form, and without writing into docs: to see that they work.
        out: folder for what the steps make.
    """
    from ..results import running

    running.command(terminal.console, only, list_, small, out if list_ else terminal.folder(out))


def warm(scenario: tuple[str, ...] = (), jobs: int | None = None) -> None:
    """Compiles beforehand what markets need, in several processes, so that later runs start at once.

    Args:
        scenario: presets or YAML files; by default all presets, and what environments, suites and replays need.
        jobs: processes that share the work; by default one for each processor.
    """
    from .. import warming

    warming.command(terminal.console, scenario, jobs)
