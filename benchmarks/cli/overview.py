"""What `adarena` says of itself: its commands, in groups, a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

from . import terminal

HEAD = "A market of ads in a box: simulate it, hand its seats to policies, compare them."
TAIL = (
    "adarena COMMAND --help says what a command takes. A preset or a YAML file may stand right after a command that has "
    "--scenario, as in: adarena simulate bidding-small --set auction.slots=1"
)


def overview(groups: Mapping[str, Mapping[str, Callable[..., Any]]]) -> None:
    """Prints the commands of each group, each with the first sentence of what it says of itself."""
    from ..listing import sentence

    terminal.console.print(HEAD)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for title, commands in groups.items():
        grid.add_row()
        grid.add_row(title)
        for name, command in commands.items():
            grid.add_row(f"  {name}", sentence(command))
    terminal.console.print(grid)
    terminal.console.print()
    terminal.console.print(TAIL)
