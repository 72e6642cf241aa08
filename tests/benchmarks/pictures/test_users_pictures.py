"""The tables and the picture of what ads did to users, against the books."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from adarena.benchmarks.output.figures import close
from adarena.benchmarks.pictures import users
from adarena.simulator import Scenario, World

CHANGES: dict[str, Any] = {
    "sessions": {"mean_requests": 6.0, "leave_rate": 0.05}, "fatigue": {"exponent": 0.4}, "traffic.requests_per_day": 10_000,
}  # fmt: skip


def played(days: int = 1, **changes: Any) -> World:
    """A small market whose users come in sessions and tire."""
    world = World(Scenario.preset("tiny").override({**CHANGES, "days": days, **changes}), seed=0)
    world.run()
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return played(days=2)


def printed(table: Any) -> dict[str, list[str]]:
    """The words of each line by its first; lines within 100 columns."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 100
    return {line.split("  ")[0].strip() or line.split()[0]: line.split() for line in map(str.strip, lines) if line}


def test_the_table_of_sessions_shows_the_books(world: World) -> None:
    assert world.visits is not None
    lines, frame = printed(users.sessions_table(world)), world.visits.to_frame()
    total = frame.sum()
    for name, column in {"sessions planned": "sessions", "visited": "visits", "requests planned": "requests_planned",
                         "made": "requests", "cut short": "cut"}.items():  # fmt: skip
        assert f"{int(total[column]):,}" in lines[name]
    assert f"{total['requests'] / total['requests_planned']:.2%}" in lines["made"]
    assert f"{total['requests'] / total['visits']:.2f}" in lines["requests a visit"]
    assert f"{world.ledger.impressions().sum() / total['visits']:.2f}" in lines["ads seen a visit"]
    second = frame[frame["day"] == 1]
    mean = (second["satisfaction"] * second["sessions"]).sum() / second["sessions"].sum()
    assert lines["last midnight"][-1] == f"{mean:.4f}"
    assert lines["satisfaction, first midnight"][-1] == "1.0000"


def test_the_table_of_fatigue_shows_the_books_and_the_law(world: World) -> None:
    assert world.fatigue is not None
    lines, frame = printed(users.fatigue_table(world)), world.fatigue.to_frame()
    for n, name in enumerate(["1", "2", "3", "4"]):
        shown, clicks, fresh, expected, _ = frame.iloc[n]
        error = clicks**0.5 / fresh
        assert lines[name][1:] == [
            f"{int(shown):,}", f"{int(clicks):,}", f"{clicks / shown:.2%}", f"{clicks / fresh:.3f}", "±", f"{error:.3f}",
            f"{expected / fresh:.3f}",
        ]  # fmt: skip
        assert abs(clicks - expected) < 4 * expected**0.5
    rest = frame.iloc[4:].sum()
    assert lines["5 or more"][3:5] == [f"{int(rest['impressions']):,}", f"{int(rest['clicks']):,}"]
    assert float(lines["1"][-1]) > 0.99 > float(lines["2"][-1]) > float(lines["3"][-1]) > float(lines["5 or more"][-1])


def test_points_hold_enough_clicks_and_all_of_them(world: World) -> None:
    assert world.fatigue is not None
    edges = users.bins(world)
    assert edges[0] == 0
    assert (np.diff(edges) >= 1).all()
    found = users.worn(world, edges)
    assert (found.clicks >= users.CLICKS_A_POINT).all()
    assert found.clicks.sum() == world.fatigue.to_frame()["clicks"].sum()
    assert (np.abs(found.ratio - found.law) < 4 * found.error).all()


@pytest.mark.parametrize(
    ("days", "changes", "panels"),
    [
        (2, {}, ["Click rate", "Requests and visits", "Satisfaction"]),
        (1, {}, ["Click rate", "Requests and visits", "Sessions still going"]),
        (1, {"sessions": None}, ["Click rate"]),
        (2, {"fatigue": None}, ["Requests and visits", "Satisfaction"]),
        (1, {"auction.reserve": 1e9}, ["Click rate", "Requests and visits", "Sessions still going"]),
        (2, {"traffic.requests_per_day": 1}, ["Click rate", "Requests and visits", "Satisfaction"]),
    ],
)
def test_the_picture_has_a_panel_for_what_the_market_has(days: int, changes: dict[str, Any], panels: list[str]) -> None:
    world = played(days, **changes)
    for table in [users.sessions_table] if world.visits else []:
        printed(table(world))
    for table in [users.fatigue_table] if world.fatigue else []:
        printed(table(world))
    figure = users.picture(world)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert len(titles) == len(panels)
    for title, begins in zip(titles, panels, strict=True):
        assert title.startswith(begins)
    close(figure)
