"""What commands share: words that they take, what is made of those, and the console that they print to."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ...simulator.core.errors import MarketError
from ..output.tables import plain_console
from ..suites import SUITES

if TYPE_CHECKING:
    from ...simulator.scenario.tree import Scenario

SuiteName = Annotated[Literal[*SUITES], tyro.conf.Positional]  # type: ignore[valid-type]  # read when it runs
Ray = Annotated[str | None, tyro.conf.arg(metavar="ADDRESS|local")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE ...")]
Seated = Annotated[tuple[str, ...], tyro.conf.arg(name="policy", metavar="SEAT=POLICY ...")]
console = plain_console()


def scenario(name: str, settings: tuple[str, ...], days: int | None = None) -> Scenario:
    """A market by the name of a preset or file, with changes. Raises `ScenarioError` if there is none."""
    from ...simulator.scenario.tree import Scenario

    changes = [*settings, *([f"days={days}"] if days is not None else [])]
    market = Scenario.named(name)
    return market.override(changes) if changes else market


def command_line() -> str:
    """The command line as it was given."""
    return shlex.join(["adarena", *sys.argv[1:]])


def resuming(command: tuple[str, ...] = ("train",)) -> str:
    """The command line that goes on with a training; other commands that train go on by themselves."""
    words = [word for word in sys.argv[1:] if word not in ("--fresh", "--resume")]
    return shlex.join(["adarena", *words, *(["--resume"] if tuple(words[: len(command)]) == command else [])])


def folder(path: Path) -> Path:
    """A folder that can be written to, made if it is not there. Raises `MarketError` if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MarketError(f"cannot write to {str(path)!r}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise MarketError(f"cannot write to {str(path)!r}: it is read-only")
    return path
