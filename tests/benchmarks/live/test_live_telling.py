"""What is told of a tick is what the books say of it, over days, budgets that change, and servers."""

import numpy as np
import pytest

from adarena.benchmarks.live.telling import Teller, charts, facts
from adarena.simulator import Scenario, World


@pytest.fixture(scope="module")
def told():
    """Two days of a market with servers, a budget changed in each; and all that was told."""
    serving = {"servers": 1, "service_s": 40.0, "deadline_s": 90.0}
    scenario = Scenario.preset("tiny").override({"days": 2, "serving": serving})
    world = World(scenario, seed=5)
    teller, ticks = Teller(world), []
    for tick in range(48):
        world.run((tick + 1) * scenario.tick_us)
        ticks.append(teller.tell())
        if tick == 10:
            world.set_budget("c1", 2.0)
        if tick == 30:
            world.set_budget("c2", None)
    return world, ticks


def test_sums_are_those_of_the_books(told):
    world, ticks = told
    frame = world.ledger.to_frame()
    by_campaign = frame.groupby("campaign", observed=True)[["spend", "clicks", "conversions_reported"]].sum()
    last = ticks[-1]
    assert last["spend"] == pytest.approx(by_campaign["spend"].to_numpy(), abs=0.0051)
    assert last["clicks"] == by_campaign["clicks"].tolist()
    assert last["conversions"] == by_campaign["conversions_reported"].tolist()
    assert last["totals"]["value"] == pytest.approx(frame["value"].sum(), abs=0.0051)
    assert last["totals"]["impressions"] == frame["impressions"].sum()
    served = world.serving.to_frame()
    assert last["totals"]["lost"] == served["late"].sum() + served["left"].sum() > 0
    for tick, (_, row) in zip(ticks, served.iterrows(), strict=True):
        numbers = tick["numbers"]
        assert numbers["load"] == pytest.approx(row["load"], rel=1e-5)
        assert (numbers["p99"] or np.nan) == pytest.approx(row["p99_ms"], rel=1e-5, nan_ok=True)


def test_spend_and_budgets_are_those_of_the_day(told):
    world, ticks = told
    frame = world.ledger.to_frame()
    daily = np.array([campaign.budget_per_day for campaign in world.campaigns.listed])
    for number, tick in enumerate(ticks):
        day, hour = divmod(number, 24)
        today = frame[(frame["day"] == day) & (frame["tick"] <= hour)]
        assert tick["numbers"]["spent"] == pytest.approx(today["spend"].sum(), rel=1e-5)
        worth = today["value"].sum() / today["spend"].sum() if today["spend"].sum() > 0 else None
        assert tick["numbers"]["worth"] == (None if worth is None else pytest.approx(worth, rel=1e-5))
        assert tick["budget"][0] == pytest.approx(daily[0], abs=0.0051)
        assert (tick["budget"][2] is None) == (number > 30)
    changed = ticks[30]["budget"][1]
    assert changed == pytest.approx(2.0, abs=0.0051)
    assert ticks[10]["budget"][1] == pytest.approx(daily[1], abs=0.0051)
    assert ticks[23]["numbers"]["even"] == ticks[47]["numbers"]["even"] == pytest.approx(1.0)
    made = frame.groupby(["day", "tick"])["requests"].first()
    assert [tick["numbers"]["requests"] for tick in ticks] == made.tolist()


def test_every_line_that_is_drawn_is_told(told):
    world, ticks = told
    lines = {line.key for chart in charts(world) for line in chart.lines}
    assert lines <= set(ticks[0]["numbers"])
    assert {"load", "p99", "course"} <= lines
    without = World(Scenario.preset("tiny").override({"demand.budget_share": None}))
    assert charts(without)[0].title == "Spend since midnight"
    about = facts(world)
    assert about["servers"] == 1
    assert [campaign["name"] for campaign in about["campaigns"]] == list(world.campaigns.names)
