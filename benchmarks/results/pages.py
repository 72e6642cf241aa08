"""Parts of a page that a command makes: what stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"


def part(page: str, name: str) -> str:
    """The part of a page with a name. Raises `MarketError` if the page has no such part."""
    begin, end = _marks(name)
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise MarketError(f"a page has no part {name!r}: it needs one line {begin.strip()!r} and, below it, one {end!r}")
    return page.partition(begin)[2].partition(end)[0]


def put(path: Path, name: str, text: str) -> None:
    """Writes a page anew with another part of that name. Raises `MarketError` if the page has no such part."""
    page = path.read_text()
    part(page, name)
    begin, end = _marks(name)
    before, _, rest = page.partition(begin)
    write(path, f"{before}{begin}\n{text.strip()}\n\n{end}{rest.partition(end)[2]}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; a bar inside a cell does not end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
