"""Tables on narrow terminals: every name and every number stands there whole, in lines that fit."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from adarena.benchmarks.comparison.report import NARROW
from adarena.benchmarks.output.tables import plain_table


def table(columns: int, rows: int = 4, *, text: str = "") -> tuple[Table, list[list[str]]]:
    """A column of names, columns of numbers of different lengths, and perhaps one of text at the end."""
    dice = np.random.default_rng(columns)
    out = plain_table(
        "A title that is longer than some terminals are wide, by a word or two", caption="What numbers mean. " * 6
    )
    out.add_column("policy", overflow="fold")
    for n in range(columns):
        out.add_column(f"number {n}" * (1 + n % 2), justify="right", no_wrap=True)
    if text:
        out.add_column("said of it")
    cells = [[f"name-{n}", *(f"{x:,.3f}" for x in 10 ** dice.uniform(0, 8, columns))] for n in range(rows)]
    for row in cells:
        out.add_row(*row, *([text] if text else []))
    return out, cells


def printed(what: Table, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, emoji=False).print(what)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 110, 200])
@pytest.mark.parametrize("columns", [1, 3, 8, 15])
def test_nothing_is_cut(width: int, columns: int) -> None:
    made, cells = table(columns)
    lines = printed(made, width)
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    for name, *numbers in cells:
        own = [line.split() for line in lines if line.split()[:1] == [name]]
        assert [word for line in own for word in line[1:]] == numbers  # in their order, each once
    assert " ".join("".join(f" {line} " for line in lines).split()).count("A title that is longer than some") == 1
    assert " ".join(" ".join(lines).split()).count("What numbers mean.") == 6


def test_where_there_is_room_it_is_one_table_with_its_padding() -> None:
    made, _ = table(3)
    assert sum("───" in line for line in printed(made, 200)) == 1
    assert made.padding != NARROW


def test_padding_goes_before_columns_do() -> None:
    made, _ = table(3)
    least = min(width for width in range(30, 120) if sum("───" in line for line in printed(table(3)[0], width)) == 1)
    lines = printed(made, least)
    assert made.padding == NARROW
    assert max(map(len, lines)) == least


def test_long_names_are_folded_and_whole() -> None:
    out = plain_table("t")
    out.add_column("policy", overflow="fold")
    out.add_column("number", justify="right", no_wrap=True)
    name = "mybidders:Cautious:" + ",".join(f"field_{n}=0.{n}" for n in range(9))
    out.add_row(name, "1,234,567.89")
    lines = printed(out, 50)
    assert max(map(len, lines)) <= 50
    assert re.sub(r"\s|1,234,567.89", "", "".join(lines[4:])) == name


def test_text_is_wrapped_beside_its_numbers() -> None:
    text = "a sentence of many words that has to go over several lines of a narrow terminal"
    made, _ = table(2, 1, text=text)
    lines = printed(made, 80)
    assert sum("───" in line for line in lines) == 1
    assert all(word in " ".join(lines) for word in text.split())


@pytest.mark.parametrize("width", [44, 60, 90])
def test_all_that_names_a_row_stands_beside_each_of_its_numbers(width: int) -> None:
    out = plain_table("t", keys=3)
    for column in ("campaign", "ad", "creative"):
        out.add_column(column, no_wrap=True)
    for n in range(6):
        out.add_column(f"number {n}", justify="right", no_wrap=True)
    named = [("bread", "rye", "oven"), ("bread", "rye", "price"), ("bread", "baguette", "oven")]
    for place, names in enumerate(named):
        out.add_row(*names, *(str(100 * place + n) for n in range(6)))
    lines = printed(out, width)
    assert all(len(line) <= width for line in lines)
    for place, names in enumerate(named):
        own = [line.split() for line in lines if tuple(line.split()[:3]) == names]
        assert [word for line in own for word in line[3:]] == [str(100 * place + n) for n in range(6)]
