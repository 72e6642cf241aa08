"""Tables, and what is printed of names and paths: they themselves. Brackets in them are no markup, and colons make no emoji.

A table that is too wide for its terminal comes in parts, one below the other, each with what names a row; no number is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text


def plain_table(title: str, caption: str | None = None, keys: int = 1) -> Table:
    """A table in the house's style; its first `keys` columns name a row, and stand in each part of a table that is too wide."""
    return PlainTable(title, caption, keys)


GOOD, BAD = "green", "red"
PIPED = 110  # columns where the output is no terminal
LEAST_TEXT = 24  # columns for what may be wrapped
NARROW = (0, 1, 0, 0)  # padding of cells, where room is short


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints texts as they are."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(width=None if stream.isatty() else PIPED, stderr=stderr, markup=False, emoji=False)


class PlainTable(Table):
    """A table in the house's style whose texts are printed as they are, on whatever console."""

    def __init__(self, title: str, caption: str | None = None, keys: int = 1) -> None:
        self._keys = keys
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

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = list(self._parts(console, options))
        if len(parts) > 1:
            self.padding = NARROW
            parts = list(self._parts(console, options))
        if len(parts) == 1:
            yield from super().__rich_console__(console, options)
            return
        if self.title is not None:
            yield self.title
        for numbers in parts:
            yield self._of_columns([*range(self._keys), *numbers])
        if self.caption is not None:
            yield self.caption

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterator[list[int]]:
        """Columns but those that name a row, as many at a time as fit beside them."""
        unlimited = options.update(max_width=10**6)
        wanted = [self._wanted(console, unlimited, column) for column in self.columns]
        named, others = sum(wanted[: self._keys]), wanted[self._keys :]
        inside = options.max_width - 1  # of the edges, of which the last divider counts as one
        room = inside - min(named, inside - max(others, default=0))
        part, used = list[int](), 0
        for number, width in enumerate(others, self._keys):
            if part and used + width > room:
                yield part
                part, used = [], 0
            part.append(number)
            used += width
        yield part

    def _wanted(self, console: Console, options: ConsoleOptions, column: Column) -> int:
        """The width of a column in which nothing is cut, with a divider."""
        width = self._measure_column(console, options, column).maximum
        wraps = column.justify == "left" and not column.no_wrap
        return 1 + (min(width, max(LEAST_TEXT, column.min_width or 0)) if wraps else width)

    def _of_columns(self, numbers: Sequence[int]) -> Table:
        """The same rows, of these columns."""
        part = Table(box=self.box, padding=self.padding, collapse_padding=self.collapse_padding, pad_edge=self.pad_edge)
        for number in numbers:
            column = self.columns[number]
            part.add_column(
                column.header,
                justify=column.justify,
                overflow=column.overflow if column.no_wrap else "fold",
                no_wrap=column.no_wrap,
                min_width=column.min_width,
            )
        cells = [list(self.columns[number].cells) for number in numbers]
        for n, row in enumerate(self.rows):
            part.add_row(*(column[n] for column in cells), end_section=row.end_section, style=row.style)
        return part


def verdict(text: str, good: bool) -> Text:
    """A word in green, or in red."""
    return Text(text, style=GOOD if good else BAD)


def _as_it_is(cell: Any) -> Any:
    return Text(cell) if isinstance(cell, str) else cell
