"""The table and the picture of pages say what the books hold."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from adarena.agents.hindsight.allocation import Told
from adarena.benchmarks.pictures import pages
from adarena.benchmarks.pictures.all import figures, tables
from adarena.simulator import Scenario, World
from adarena.simulator.response.pages import PageSum

SMALL = Scenario.preset("allocation-small").override(
    {"days": 4, "users.count": 300, "traffic.requests_per_day": 3_600, "demand.campaigns": 8, "ticks_per_day": 24}
)


@pytest.fixture(scope="module")
def world() -> World:
    made = World(SMALL, {"allocation": Told(SMALL)}, seed=1)
    made.run()
    return made


def test_the_table_adds_up(world: World) -> None:
    console = Console(width=100, file=(out := io.StringIO()))
    for table in tables(world):
        console.print(table)
    text = out.getvalue()
    assert world.pages is not None
    sums = world.pages.users.sum(axis=0)
    for name, number in (("pages", sums[PageSum.PAGES]), ("ads seen", sums[PageSum.ADS])):
        row = re.search(rf"^ +{name} +([\d,]+) +([\d.]+) +([\d.,]+)", text, re.MULTILINE)
        assert row is not None
        assert row[1] == f"{number:,.0f}"
        assert float(row[2]) == pytest.approx(number / sums[PageSum.PAGES], abs=1e-3)
        assert float(row[3]) == pytest.approx(number / 300, abs=0.01)


def test_days_and_patience_are_drawn(world: World) -> None:
    figure = figures(world)["pages.png"]
    assert world.pages is not None
    by_day, load, brought = figure.axes
    drawn = [bar.get_height() for bar in by_day.patches]
    assert len(drawn) == 8  # four days, ads and organic items
    assert sum(drawn) * 300 == pytest.approx(world.pages.score.sum())
    ads = load.get_lines()[0].get_ydata()
    assert ads[0] > ads[-1]  # who is told patience shows the least patient fewer
    assert sum(bar.get_height() for bar in brought.patches) * 30 == pytest.approx(world.pages.score.sum())


def test_users_who_are_alike_are_not_told_apart() -> None:
    alike = World(SMALL.override({"sessions.patience.sigma": 0.0}), seed=1)
    alike.run()
    assert len(pages.picture(alike).axes) == 1
