"""Revenue over the number of servers: the markets that are played, whose rows they are, and what is told and drawn of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from adarena.agents.compute.static import Static
from adarena.benchmarks import servers, servers_report
from adarena.benchmarks.commands import Terms
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.comparison.store import Store
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.comparison.workers import HERE
from adarena.benchmarks.output.figures import close, encoded
from adarena.benchmarks.suites.compute import COMPUTE
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.delivery.queue import Served

SMALL = Scenario.preset("compute-small").override(
    {"traffic.requests_per_day": 1_500, "ticks_per_day": 24, "users.count": 1_000, "demand.campaigns": 40}
)
LABELS = {"static": "static", "deep": "static:first=1,last=1", "both": "static+static:first=1,last=1"}
LADDER, DAYS = (2, 4, 5), 3


FAILING = [(1, (1, 1)), (2, (1, 1)), (3, (1, 2)), (4, (1, 3)), (5, (1, 4)), (6, (2, 4)), (8, (2, 6)), (40, (10, 30))]


@pytest.mark.parametrize(("number", "failing"), FAILING)
def test_the_same_share_of_servers_fails(number: int, failing: tuple[int, int]) -> None:
    """Of compute-small's four it is one to three, two on average; of two or more it is always half on average."""
    serving = servers.with_servers(SMALL, number).serving
    assert serving is not None
    assert serving.failures is not None
    assert (serving.servers, serving.failures.servers) == (number, failing)
    assert number == 1 or sum(failing) == number


def test_listed_outages_go_by_the_same_share_and_the_planned_market_is_itself() -> None:
    listed = SMALL.override({"serving.outages": [{"start_s": 60, "duration_s": 60, "servers": 3}]})
    found = [servers.with_servers(listed, number).serving.outages[0].servers for number in (1, 2, 4, 8)]  # type: ignore[union-attr]
    assert found == [1, 2, 3, 6]
    for scenario in (SMALL, listed):
        assert servers.with_servers(scenario, 4).digest == scenario.digest


@pytest.mark.parametrize(
    ("planned", "ladder"), [(1, (1, 2)), (4, (2, 3, 4, 5, 6, 7, 8)), (40, (20, 25, 30, 35, 40, 50, 60, 70, 80))]
)
def test_the_range_is_from_half_to_twice_the_planned(planned: int, ladder: tuple[int, ...]) -> None:
    assert servers.ladder_of(SMALL.override({"serving.servers": planned}), ()) == ladder


@pytest.mark.parametrize("ladder", [(4,), (2, 3), (4, 2), (0, 4), (4, 4), (-1, 4)])
def test_numbers_that_cannot_be_are_refused(ladder: tuple[int, ...]) -> None:
    with pytest.raises(MarketError, match=r"numbers of servers rise from 1 or more, .* the scenario's 4: not "):
        servers.ladder_of(SMALL, ladder)


def test_markets_without_servers_of_their_own_are_refused() -> None:
    with pytest.raises(MarketError, match="'tiny' has no servers"):
        servers.ladder_of(Scenario.preset("tiny"), ())
    with pytest.raises(MarketError, match="'tiny' has no servers"):
        servers.with_servers(Scenario.preset("tiny"), 3)
    with pytest.raises(MarketError, match=r"set serving\.autoscaling=null"):
        servers.with_servers(SMALL.override({"serving.autoscaling": {"most": 8}}), 3)


@pytest.fixture(scope="module")
def found() -> servers.Curves:
    done: list[int] = []
    curves = servers.measure(COMPUTE, SMALL, LABELS, "static", LADDER, DAYS, lambda: done.append(1), skip=5_000)
    assert len(done) == servers.steps(COMPUTE, LABELS, LADDER, DAYS) == 2 * 3 * 3
    return curves


def test_numbers_are_those_of_worlds_played_by_hand(found: servers.Curves) -> None:
    assert [case.seed for case in found.cases] == [1_005_000, 1_005_001, 1_005_002]
    for place, number in enumerate(LADDER):
        world = World(servers.with_servers(SMALL, number), {"compute": Static(1.0, 1.0)}, seed=1_005_001)
        world.run()
        assert world.serving is not None
        books = world.serving.counts.sum(axis=0)
        assert found.revenue("deep")[place, 1] == pytest.approx((books[Served.CHARGED] + books[Served.OWED]) / MICRO)
        assert found.numbers["deep"]["lost"][place, 1] == books[Served.LATE] + books[Served.GAVE_UP]
    np.testing.assert_allclose(found.revenue("both"), (found.revenue("deep") + found.revenue("static")) / 2)
    assert (np.diff(found.revenue("deep").mean(axis=1)) > 0).all()  # more servers do more


def test_rows_are_those_of_bench(tmp_path: Path) -> None:
    with Store(tmp_path / "r.sqlite") as kept:
        compared = measuring.run(COMPUTE, SMALL, {"static": "static"}, 2, skip=5_000, store=kept)
    with Store(tmp_path / "r.sqlite") as kept:
        curves = servers.measure(COMPUTE, SMALL, {"static": "static"}, "static", (2, 4), 2, skip=5_000, store=kept)
        assert (kept.reused, kept.added) == (2, 2)
    np.testing.assert_array_equal(curves.revenue("static")[1], compared.numbers("static", "revenue"))


def imagined(days: int = 10) -> servers.Curves:
    """`better` earns a tenth more on every day, `worse` never as much as `own` does with 4 servers, `best` always more."""
    sizes, dice = np.array([2.0, 3.0, 4.0, 6.0]), np.random.default_rng(3)
    weather = np.exp(dice.normal(0.0, 0.5, days))
    own = np.outer(100.0 * sizes, weather)

    def of(revenue: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "revenue": revenue,
            "requests": np.full_like(revenue, 1000.0),
            "lost": np.outer(1 / sizes, np.full(days, 100.0)),
        }

    numbers = {"own": of(own), "better": of(1.1 * own), "worse": of(0.5 * own), "best": of(3.0 * own)}
    cases = [Case(1_000_000 + n, 0) for n in range(days)]
    return servers.Curves(SMALL, (2, 3, 4, 6), "own", {label: label for label in numbers}, cases, numbers)


def test_estimates_are_paired_by_day() -> None:
    curves = imagined()
    more, less = servers.over_reference(curves, "better", 3), servers.change(curves, "better")
    assert more.mean == pytest.approx(0.1)
    assert more.interval == pytest.approx((0.1, 0.1))
    assert less.mean == pytest.approx(1 / 1.1 - 1)
    assert less.interval == pytest.approx((less.mean, less.mean))
    assert servers.mean(curves, "own", 4).interval is not None
    assert servers.lost(curves, "own", 4) == pytest.approx(25.0 / 1000)
    assert [servers.change(curves, label).mean for label in ("own", "worse", "best")] == [0.0, 0.5, -0.5]


def told(curves: servers.Curves) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    for table in servers_report.tables(curves):
        console.print(table)
    return console.export_text()


def test_it_is_told_in_two_tables() -> None:
    text = told(imagined())
    rows = [line.split() for line in text.splitlines() if line.split()]
    better = [row for row in rows if row[0] == "better"]
    assert better == [
        ["better", "+10.0%", "+10.0%", "+10.0%", "+10.0%"],
        ["better", "+10.0%", "[+10.0%,", "+10.0%]", "3.64", "-9%", "2.5%"],
    ]
    assert [row[1:] for row in rows if row[0] == "worse"][1][3:] == ["≥", "6.00", "≥", "+50%", "2.5%"]
    assert [row[1:] for row in rows if row[0] == "best"][1][3:] == ["≤", "2.00", "≤", "-50%", "2.5%"]
    assert "as large a share fails" in " ".join(text.split())
    assert "[95% interval]" in text
    few = told(imagined(4))
    assert "interval" not in few
    assert "[" not in few


def test_the_json_holds_every_estimate() -> None:
    curves = imagined(12)
    content = json.loads(json.dumps(servers_report.content(curves), allow_nan=False))
    assert len(content["rows"]) == 4 * 4
    for row in content["rows"]:
        values = curves.revenue(row["policy"])[curves.servers.index(row["servers"])]
        assert row["revenue"] == pytest.approx(values.mean())
        assert row["revenue_ci_low"] < row["revenue"] < row["revenue_ci_high"]
    same = {row["policy"]: row for row in content["same_revenue"]}
    assert same["better"]["servers"] == pytest.approx(4 / 1.1)
    assert same["worse"]["change"] == content["most_change"] == 0.5
    assert content["planned"] == 4
    assert {row["change_ci_low"] for row in servers_report.content(imagined(4))["same_revenue"]} == {None}


def test_what_is_drawn_are_the_estimates() -> None:
    curves = imagined()
    figure = servers_report.picture(curves)
    revenue, over, same = figure.axes
    names = servers_report.ranked(curves)
    assert names == ["best", "better", "own", "worse"]
    for axis, expected in (
        (revenue, {label: curves.revenue(label).mean(axis=1) for label in names}),
        (over, {"best": [2.0] * 4, "better": [0.1] * 4, "own": [0.0] * 4, "worse": [-0.5] * 4}),
    ):
        for label, bars in zip(names, axis.containers, strict=True):
            line = bars.lines[0]
            np.testing.assert_allclose(line.get_ydata(), expected[label], atol=1e-9)
            np.testing.assert_allclose(line.get_xdata(), curves.sizes, atol=0.1)
            assert bars.lines[0].get_color() == revenue.containers[names.index(label)].lines[0].get_color()
    assert [text.get_text() for text in same.get_yticklabels()] == ["worse", "better", "best"]
    marks = {line.get_ydata()[0]: (line.get_xdata()[0], line.get_marker()) for line in same.lines if len(line.get_xdata()) == 1}
    assert marks == {0: (0.5, ">"), 1: (pytest.approx(1 / 1.1 - 1), "o"), 2: (-0.5, "<")}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    assert encoded(figure, "png").startswith(b"\x89PNG")
    close(figure)


def test_the_command_goes_on_where_it_was(tmp_path: Path) -> None:
    console = Console(width=110, file=io.StringIO())
    for _ in range(2):
        servers_report.command(
            console, SMALL, ("deep=static:first=1,last=1",), (2, 4), 2, None, tmp_path, Terms(None, HERE, "", skip=5_000)
        )
    assert {path.name for path in tmp_path.iterdir()} == {"results.sqlite", "servers.json", "servers.png", "servers.svg"}
    assert "reused 8 of 8 rows" in console.file.getvalue()  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "servers.json").read_text())["policies"] == {
        "deep": "static:first=1,last=1", "static": "static",
    }  # fmt: skip
    with pytest.raises(MarketError, match="at least 2 seeds, not 1"):
        servers_report.command(console, SMALL, (), (), 1, None, tmp_path, Terms(None, HERE, ""))
