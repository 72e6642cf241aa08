"""The chain of leads: the preset's published rates come out, and table and picture show what the books say."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from adarena.agents.catalogue import make_policy
from adarena.benchmarks.output.figures import close
from adarena.benchmarks.pictures import leads as chain
from adarena.simulator import Scenario, World
from adarena.simulator.engine.state import Count


@pytest.fixture(scope="module")
def world() -> World:
    """The preset under PID."""
    out = World(Scenario.preset("leads"), {"bidding": make_policy("bidding", "pid")}, seed=0)
    out.run()
    return out


def test_the_preset_has_the_published_rates_and_prices(world: World) -> None:
    """Facebook's lead ads of 2024: CTR 2.53%, CVR 8.78%, CPC 1.88, CPL 21.98.

    Within 5% for the weather of two weeks, and three standard errors of the counts.
    """
    found = chain.chain(world)
    clicks, _, submits, *_ = found.number
    measured = {
        "CTR": (clicks / int(world.ledger.impressions().sum()), 0.0253, clicks),
        "CVR": (submits / clicks, 0.0878, submits),
        "CPC": (found.cost[0], 1.88, clicks),
        "CPL": (found.cost[2], 21.98, submits),
    }
    for name, (value, published, count) in measured.items():
        assert value == pytest.approx(published, rel=0.05 + 3 / count**0.5), name


def test_budgets_bind_for_most(world: World) -> None:
    days, held = world.scenario.days, len(world.campaigns.names)
    spent = world.ledger.spend().reshape(days, -1, held).sum(axis=1) / (world.campaigns.budget / 1e6)
    assert (spent > 0.9).mean() > 0.7


def test_the_table_shows_the_books(world: World) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(chain.chain_table(world))
    lines = {line.split()[0]: line.split() for line in console.export_text().splitlines() if line.strip()}
    frame, counts = world.ledger.to_frame(), world.ledger.counts.sum(axis=(0, 2))
    assert lines["clicks"][1] == f"{counts[Count.CLICKS]:,}"
    assert lines["form"][2] == f"{frame['form_opens'].sum():,}"
    submits, qualified, sales = frame["conversions"].sum(), frame["qualified"].sum(), frame["sales"].sum()
    spend = frame["spend"].sum()
    rates = f"{submits / frame['form_opens'].sum():.2%}", f"{submits / counts[Count.CLICKS]:.2%}"
    assert lines["submits"][1:5] == [f"{submits:,}", *rates, f"{spend / submits:.2f}"]
    assert lines["qualified"][1] == f"{qualified:,}"
    assert f"{frame['qualified_reported'].sum() / qualified:.1%}" in lines["qualified"]
    assert lines["sales"][1] == f"{sales:,}"
    assert lines["submits"][-1] == lines["submits"][-3] == "min"
    assert lines["qualified"][-1] == lines["qualified"][-3] == lines["sales"][-1] == "days"


def test_the_picture_is_drawn_even_if_nothing_was_clicked(world: World) -> None:
    empty = World(Scenario.preset("leads").override({"days": 1, "rates.click_rate": 1e-9, "traffic.requests_per_day": 1_000}))
    empty.run()
    assert chain.chain(empty).number == (0, 0, 0, 0, 0)
    chain.chain_table(empty)
    for one in (world, empty):
        figure = chain.picture(one)
        bars, curves = figure.axes
        assert len(bars.patches) == len(chain.STEPS)
        assert len(curves.lines) == (3 if one is world else 0)
        for line in curves.lines:
            share = line.get_ydata()
            assert share[-1] == pytest.approx(1)
            assert (share[1:] >= share[:-1]).all()
        close(figure)


def test_durations() -> None:
    assert [chain.duration(s) for s in (0.0, 5.0, 60.0, 5400.0, 86_400.0, math.nan)] == [
        "0.0 s", "5.0 s", "1.0 min", "1.5 h", "1.0 days", "",
    ]  # fmt: skip
