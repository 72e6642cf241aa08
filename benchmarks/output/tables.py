"""What is printed of names and paths: they themselves. Brackets in them are no markup, and colons make no emoji."""

from __future__ import annotations

import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def plain_table(title: str, caption: str | None = None) -> Table:
    """A table in the house's style."""
    return PlainTable(title, caption)


GOOD, BAD = "green", "red"
PIPED = 110  # columns where the output is no terminal


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints texts as they are."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(width=None if stream.isatty() else PIPED, stderr=stderr, markup=False, emoji=False)


class PlainTable(Table):
    """A table in the house's style whose texts are printed as they are, on whatever console."""

    def __init__(self, title: str, caption: str | None = None) -> None:
        super().__init__(
            title=Text(title, style="bold"),
            caption=None if caption is None else Text(caption, style="table.caption"),
            title_justify="left",
            caption_justify="left",
            box=box.SIMPLE_HEAD,
        )

    def add_column(self, header: Any = "", *args: Any, **looks: Any) -> None:
        """See `rich.table.Table.add_column`."""
        super().add_column(_as_it_is(header), *args, **looks)

    def add_row(self, *cells: Any, **looks: Any) -> None:
        """See `rich.table.Table.add_row`."""
        super().add_row(*map(_as_it_is, cells), **looks)


def verdict(text: str, good: bool) -> Text:
    """A word in green, or in red."""
    return Text(text, style=GOOD if good else BAD)


def _as_it_is(cell: Any) -> Any:
    return Text(cell) if isinstance(cell, str) else cell
