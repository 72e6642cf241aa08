"""A step of the results: what it makes, by which command lines, and where these lines stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ...simulator.core.errors import MarketError

OUT = "out/"  # where command lines write to; those of a step are moved below a folder of its own
Maker = Callable[[Path], str]  # a part of a page, from the folder that the commands have written to


class Step(NamedTuple):
    """What a step makes. Its commands' files are relative to a folder of its own, pages and pictures to docs/."""

    name: str
    makes: str  # in words
    cost: str  # processor time of one shared core, roughly
    commands: tuple[str, ...]  # command lines, whole; of a page, how those begin that are run
    page: str | None = None  # where the command lines stand
    pictures: Mapping[str, str] = {}  # files that are made, and those of docs/ that they become
    parts: Mapping[str, tuple[str, Maker]] = {}  # by name: the page, and what writes that part of it
    by_hand: str = ""  # what is written by hand from what comes out
    small: tuple[str, ...] = ()  # command lines of a form that takes seconds
    small_makes: tuple[str, ...] = ()  # files that these make


def lines(step: Step, docs: Path) -> list[str]:
    """The command lines of a step, as they are typed.

    Raises:
        MarketError: if its page has no line that begins as one of its commands.
    """
    if step.page is None:
        return list(step.commands)
    text = (docs / step.page).read_text().replace("\\\n", " ")
    found: list[str] = []
    for beginning in step.commands:
        here = re.findall(rf"^\$ ({re.escape(beginning)}.*)$", text, re.MULTILINE)
        if not here:
            raise MarketError(f"{step.page} has no command that begins with {beginning!r}, for the step {step.name!r}")
        found += [line for line in here if line not in found]
    return found


def words(line: str, folder: Path) -> list[str]:
    """The words of a command line, whose outputs go below a folder, without its comment."""
    return [re.sub(rf"(?<![\w./]){OUT}", f"{folder}/", word) for word in shlex.split(line, comments=True)]
