"""Steps of the results are run one after the other; what has been done with the same sources is not done again."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError, suggest
from ..output.progress import progress
from ..output.tables import plain_table
from .pages import put
from .step import Step, lines, words
from .steps import LEFT_OUT, STEPS

ROOT = Path(__file__).parents[2]
SOURCES = "simulator", "agents", "envs", "benchmarks"  # folders of the package that results depend on
DONE = "done.json"  # by step, what it was done with


def chosen(only: Sequence[str], steps: Sequence[Step] = STEPS) -> list[Step]:
    """The steps of some names, in the order of all; all if none is named. Raises `MarketError` if there is no such step."""
    names = [step.name for step in steps]
    for name in only:
        if name not in names:
            raise MarketError(f"there is no step {name!r}{suggest(name, names)}")
    return [step for step in steps if not only or step.name in only]


def sources() -> str:
    """A digest of the package: of all that results depend on beside the machine."""
    whole = hashlib.blake2b(digest_size=8)
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yaml", ".css"):
                whole.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def program(line: Sequence[str]) -> list[str]:
    """How a command line is started: `adarena ...` and `python -m ...` by this interpreter, whatever is on the path.

    Raises:
        MarketError: if it is neither.
    """
    match line:
        case ["adarena", *rest]:
            return [sys.executable, "-m", "adarena", *rest]
        case ["python", *rest]:
            return [sys.executable, *rest]
    raise MarketError(f"a step runs adarena or python, and not {shlex.join(line)!r}")


def run(step: Step, command_lines: Sequence[str], folder: Path, root: Path) -> None:
    """Runs the command lines of a step in `root`; what they print goes to NAME.txt, what they complain of to NAME.log.

    Raises:
        MarketError: if one of them fails; the next are not run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{step.name}.log"
    with (folder / f"{step.name}.txt").open("w") as out, log.open("w") as complaints:
        for line in command_lines:
            done = subprocess.run(program(words(line, folder)), cwd=root, stdout=out, stderr=complaints, check=False)
            if done.returncode:
                told = f"what it said is in {log}; `adarena results` goes on with this step"
                raise MarketError(f"the step {step.name} failed with status {done.returncode} at {line!r}: {told}")


def check(folder: Path, files: Sequence[str]) -> None:
    """Raises `MarketError` if a folder does not hold all files."""
    for file in files:
        if not (folder / file).exists():
            raise MarketError(f"{folder / file} should have been made, and was not")


def publish(step: Step, folder: Path, docs: Path) -> None:
    """Puts what a step has made into docs/.

    Raises:
        MarketError: if it has not made what it says, or a page has no place for it.
    """
    check(folder, tuple(step.pictures))
    for source, target in step.pictures.items():
        (docs / target).parent.mkdir(exist_ok=True)
        write(docs / target, (folder / source).read_bytes())
    for name, (page, maker) in step.parts.items():
        put(docs / page, name, maker(folder))


def make(step: Step, folder: Path, root: Path, stamps: dict[str, list[str]], now: str) -> bool:
    """Does a step unless it has been done with the same sources and command lines; whether it was done.

    `stamps` are those of `DONE`: by step, a digest of sources, and command lines. They are written again after it.
    """
    docs = root / "docs"
    command_lines = lines(step, docs)
    there = all((docs / target).exists() for target in step.pictures.values())
    if there and stamps.get(step.name) == [now, *command_lines]:
        return False
    own = folder / step.name
    run(step, command_lines, own, root)
    publish(step, own, docs)
    stamps[step.name] = [now, *command_lines]
    write(folder / DONE, json.dumps(stamps, indent=2))
    return True


def command(console: Console, only: Sequence[str], listed: bool, small: bool, folder: Path) -> None:
    """What `adarena results` does: lists steps, or does those that are named, or all.

    Raises:
        MarketError: if there is no such step, no folder of documents, or a step fails.
    """
    steps = chosen(only)
    if listed:
        _list(console, steps)
        return
    if not (ROOT / "docs").is_dir():
        raise MarketError(
            "results are written into docs/, which is in a clone of the repository and not in an installed package"
        )
    folder = folder.resolve()
    if small:
        _small(console, [step for step in steps if step.small], folder / "small")
        return
    stamps: dict[str, list[str]] = json.loads((folder / DONE).read_text()) if (folder / DONE).exists() else {}
    now = sources()
    with progress("results", len(steps)) as advance:
        for step in steps:
            done = make(step, folder, ROOT, stamps, now)
            console.print(
                f"{step.name}: " + (f"made in {folder / step.name}" if done else "was made with the same sources"),
                soft_wrap=True,
            )
            if done and step.by_hand:
                console.print(f"  to be written by hand: {step.by_hand}", soft_wrap=True)
            advance()


def _small(console: Console, steps: Sequence[Step], folder: Path) -> None:
    """Does the small form of steps, which leaves docs/ as it is."""
    with progress("results, small", len(steps)) as advance:
        for step in steps:
            run(step, step.small, folder / step.name, ROOT)
            check(folder / step.name, step.small_makes)
            console.print(f"{step.name}: {', '.join(step.small_makes)}", soft_wrap=True)
            advance()


def _list(console: Console, steps: Sequence[Step]) -> None:
    table = plain_table(
        "Steps of the results",
        caption="Time: of a processor, roughly. What no step makes: "
        + "; ".join(f"{what}: {why}" for what, why in LEFT_OUT.items())
        + ".",
    )
    for column in ("step", "what it makes", "time", "in docs", "by hand", "commands"):
        table.add_column(column, no_wrap=column == "step")
    for step in steps:
        where = [*step.pictures.values(), *(page for page, _ in step.parts.values())]
        told = " and ".join(step.commands) + (f" ... of {step.page}" if step.page else "")
        table.add_row(step.name, step.makes, step.cost, _few(where), step.by_hand, told)
    console.print(table)


def _few(files: Sequence[str]) -> str:
    """Files, the many in a folder as a number."""
    return ", ".join(files) if len(files) < 4 else f"{len(files)} files of {Path(files[0]).parent}"
