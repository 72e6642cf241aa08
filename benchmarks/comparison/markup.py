"""What the page of a comparison is put together from: numbers, sections, tables, parts behind a click."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def number(value: float, form: str) -> str:
    """A number as a page has it, with a minus sign that is one."""
    return minus(format(value, form))


def minus(text: str) -> str:
    """Numbers with minus signs that are ones, in place of hyphens."""
    return text.replace("-", "\N{MINUS SIGN}")


def section(name: str, title: str, body: str) -> str:
    """A part of the page under a heading of its own."""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n{body}\n</section>'


def folded(summary: str, body: str) -> str:
    """What is shown when its summary is clicked."""
    return f"<details>\n<summary>{escape(summary)}</summary>\n{body}\n</details>"


class Html(str):
    """Text that is HTML already, and is not escaped again."""


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "", marked: str | None = None) -> str:
    """A table; on a narrow page a card for each row, in which each number carries the name of its column.

    Args:
        caption: above it; nothing: none.
        heads: of the columns.
        rows: of cells, the first of each its heading, `Html` or text.
        kind: its class; nothing: none.
        marked: the heading of a row that stands out as the reference.
    """
    titles = "".join(f'<th scope="col" role="columnheader">{escape(head)}</th>' for head in heads)
    body = "\n".join(
        f'<tr role="row"{_class("reference" * (row[0] == marked))}><th scope="row" role="rowheader">{escape(row[0])}</th>'
        + "".join(
            f'<td role="cell" data-label="{escape(head)}"><span>{cell if isinstance(cell, Html) else escape(cell)}</span></td>'
            for head, cell in zip(heads[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    return (
        f'<table role="table"{_class(kind)}>\n{told}<thead role="rowgroup"><tr role="row">{titles}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}\n</tbody>\n</table>'
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
