"""The tables of servers, surfaces and the funnel: what they show is what the books and the audit hold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from adarena.benchmarks.audits.funnel import Audit, audit
from adarena.benchmarks.output.figures import close
from adarena.benchmarks.pictures import delivery
from adarena.simulator import Scenario, World

CHANGES: dict[str, Any] = {
    "traffic.requests_per_day": 4_000,
    "users.count": 2_000,
    "demand.campaigns": 60,
    "demand.verticals": 4,
    "demand.ads_per_campaign": 2,
    "search.queries": 2_000,
    "search.head_queries": 500,
    "funnel.levels": [{"recall": 60, "rough": 30, "fine": 10}],
    "serving.servers": 1,
    "serving.service_s": 12.0,
    "serving.service": "exponential",
    "serving.deadline_s": 30.0,
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """`search`, small and on slow servers, so that something is late on each surface."""
    preset = Scenario.preset("search")
    assert preset.surfaces is not None
    surfaces = [s.model_dump(mode="json") for s in preset.surfaces]
    return preset.override({**CHANGES, "surfaces": [surfaces[0], {**surfaces[1], "deadline_s": 10.0}]})


@pytest.fixture(scope="module")
def world(scenario: Scenario) -> World:
    out = World(scenario, seed=0)
    out.run()
    return out


@pytest.fixture(scope="module")
def found(scenario: Scenario) -> Audit:
    return audit(scenario, 30)


def printed(table: Any) -> dict[str, list[str]]:
    """The words of each line after its name, by that; lines within 100 columns."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table)
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert max(map(len, lines)) <= 100
    return {line.split("  ")[0]: line.split("  ", 1)[1].split() for line in lines if "  " in line}


def test_surfaces_have_a_row_each(world: World) -> None:
    assert world.surfaces is not None
    lines, frame = printed(delivery.surfaces_table(world)), world.surfaces.to_frame()
    for name, row in (*frame.iterrows(), ("all", frame.sum())):
        made, shown, clicks = row["requests"], row["impressions"], row["clicks"]
        shares = [f"{row[column] / made:.1%}" for column in ("served", "late", "left")]
        assert lines[str(name)] == [
            f"{made:,.0f}", *shares, f"{shown:,.0f}", f"{clicks:,.0f}", f"{clicks / shown:.2%}", f"{row['spend']:,.2f}",
        ]  # fmt: skip
    assert frame["late"].min() > 0
    assert frame["impressions"].sum() == world.ledger.impressions().sum()
    assert frame["spend"].sum() == pytest.approx(world.ledger.spend().sum())


def test_the_funnel_says_what_each_stage_loses(found: Audit) -> None:
    lines = printed(delivery.funnel_table(found))
    assert lines["all ads"] == [f"{found.ads:,}", f"{found.best_ecpm:,.2f}"]
    assert found.ads == 120
    before = 0.0
    for n, stage in enumerate(("recall", "rough sort", "fine sort")):
        lost = 1 - found.ecpm[n] / found.best_ecpm
        assert lost == pytest.approx(found.lost[n])
        assert lines[stage] == [
            f"{found.candidates[n]:,.0f}", f"{found.recall[n]:.1%}", f"{found.survival[n]:.1%}", f"{found.consistency[n]:.2f}",
            f"{found.ecpm[n]:,.2f}", f"{lost - before:.2%}", f"{lost:.2%}", f"{found.cost_s[n] * 1000:.1f}",
        ]  # fmt: skip
        before = lost
    assert found.best_ecpm >= found.ecpm[0] >= found.ecpm[1] >= found.ecpm[2] > 0


def test_the_servers_have_quantiles_and_timeouts(world: World) -> None:
    assert world.serving is not None
    words = printed(delivery.serving_table(world))["all"]
    counts = world.serving.to_frame().sum()
    assert words[0] == f"{int(counts['requests']):,}"
    assert not delivery.has_steps(world)  # and so there is no column of those
    assert words[4] == f"{counts['late'] / counts['requests']:.1%}"
    assert words[5] == f"{counts['left'] / counts['requests']:.1%}"
    assert words[6:] == [f"{world.serving.quantiles(share):,.0f}" for share in (0.5, 0.95, 0.99)]


def test_the_picture_has_four_panels(world: World) -> None:
    figure = delivery.picture(world, requests=5)
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
    assert titles == ["What became of requests", "Time to an answer", "Servers", "What quotas buy"]
    assert np.isfinite(figure.axes[3].lines[0].get_ydata()).all()
    close(figure)
