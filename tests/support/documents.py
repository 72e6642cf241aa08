"""The documents as tests read them: pages, blocks of code in them, commands in these."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tyro
from places import ROOT

from adarena.__main__ import COMMANDS
from adarena.benchmarks.cli.words import understood
from adarena.simulator.core.errors import AdArenaError

FENCE = re.compile(r"^(?P<mark>```+)(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=mark)$", re.MULTILINE | re.DOTALL)
KINDS = {"python", "pycon", "console", "yaml", "{eval-rst}", "{toctree}"}  # of blocks; nothing else is written in these pages


class Block(NamedTuple):
    """A block of a page between fences."""

    page: Path
    line: int
    kind: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and all pages of the site."""
    found = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts]
    return [ROOT / "README.md", *found]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["kind"].strip(), found["text"])
        for found in FENCE.finditer(text)
    ]


def commands(block: Block) -> list[list[str]]:
    """The command lines of a console's block, as words; comments and continued lines as a shell takes them."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [shlex.split(line[1:], comments=True) for line in lines if line.startswith("$")]


def parsed(words: list[str], where: str) -> None:
    """Fails unless the command line takes the words."""
    command = {name: _silent(command) for name, command in COMMANDS.items() if name == words[0]}
    try:
        tyro.extras.subcommand_cli_from_dict(command | {"_": lambda: None}, args=understood(words, COMMANDS))
    except (AdArenaError, SystemExit) as stop:
        if not isinstance(stop, SystemExit) or stop.code:
            pytest.fail(f"{where} is not taken: {stop}")


def _silent(command: Any) -> Any:
    """A command with the same arguments that does nothing."""

    @functools.wraps(command)
    def nothing(*arguments: Any, **named: Any) -> None:
        return None

    return nothing
