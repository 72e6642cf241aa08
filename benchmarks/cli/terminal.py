"""What commands share: words that they take, what is made of those, and the console that they print to."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ...simulator.core.errors import MarketError
from ...simulator.core.numeric import amount
from ..output.tables import plain_console
from ..suites import SUITES

if TYPE_CHECKING:
    from ...simulator.scenario.tree import Scenario

SuiteName = Annotated[Literal[*SUITES], tyro.conf.Positional]  # type: ignore[valid-type]  # read when it runs
Ray = Annotated[str | None, tyro.conf.arg(metavar="ADDRESS|local")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE ...")]
Seated = Annotated[tuple[str, ...], tyro.conf.arg(name="policy", metavar="SEAT=POLICY ...")]
console = plain_console()


def _amounts(empty: tuple[str, ...]) -> tyro.constructors.PrimitiveConstructorSpec[Any]:
    """Whole numbers, which may be written 1e5 or 20k; words for none, if any."""

    def read(texts: list[str]) -> int | None:
        number = amount(texts[0])
        if texts[0] in empty:
            return None
        if not isinstance(number, int):
            raise ValueError(f"{texts[0]!r} is no whole number, such as 20000, 1e5 or 20k")
        return number

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, int) or (bool(empty) and value is None),
        str_from_instance=lambda value: [str(value)],
    )


Amount = Annotated[int, _amounts(())]
AmountOrNone = Annotated[int | None, _amounts(("None",))]


def scenario(name: str, settings: tuple[str, ...], days: int | None = None) -> Scenario:
    """A market by the name of a preset or file, with changes; what it says in vain is noted on standard error.

    Raises `ScenarioError` if there is none of that name.
    """
    from ...simulator.scenario.idle import without_effect
    from ...simulator.scenario.tree import Scenario

    changes = [*settings, *([f"days={days}"] if days is not None else [])]
    market = Scenario.named(name)
    market = market.override(changes) if changes else market
    for sentence in without_effect(market):
        print(f"adarena: note: {sentence}", file=sys.stderr)
    return market


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
