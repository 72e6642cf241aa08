"""The picture of a day: what was done stands on it, nothing leaves its axes, and many days are no comb."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from places import ROOT

import adarena
from adarena.benchmarks.output.figures import close, encoded
from adarena.benchmarks.pictures.budgets import left_shares, spent_shares
from adarena.benchmarks.pictures.tables import budget_of, day_table, requests_of, worth
from adarena.benchmarks.pictures.times import MOST, draw_marks, marks
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.engine.state import Count

DAYS = 5


@pytest.fixture(scope="module")
def world() -> World:
    """A market of several days in which much is done."""
    world = World(Scenario.preset("tiny").override({"days": DAYS, "traffic.requests_per_day": 600}), seed=2)

    def deeds() -> Iterator[object]:
        yield world.at(hours=6)
        world.pause("c2")
        yield world.at(hours=30)
        world.top_up("c3", 300.0)
        world.surge(2.0)
        world.scale_value("c0", 2.0)
        yield world.at(hours=60)
        world.launch("c2")
        world.set_budget("c4", 50.0)

    world.process(deeds())  # type: ignore[arg-type]
    world.run()
    return world


def test_events_are_kept_and_marked(world: World) -> None:
    whats = ["pause", "top_up", "surge", "scale_value", "launch", "set_budget"]
    assert [event.what for event in world.events] == whats
    assert [event.time_us for event in world.events] == [world.hours(h) for h in (6, 30, 30, 30, 60, 60)]
    assert [mark.word for mark in marks(world)] == [
        "pause c2",
        "top-up c3",
        "surge x2",
        "value c0 x2",
        "launch c2",
        "budget c4",
    ]
    figure = adarena.draw(world)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["pause c2", "top-up c3, surge x2 and 1 more", "launch c2, budget c4"]
    for axis in (figure.axes[0], figure.axes[2]):  # traffic and prices share the time axis
        upright = [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == ":"]  # type: ignore[index]
        assert upright == [6, 30, 60]
    close(figure)


def test_outages_of_the_settings_are_marked_too() -> None:
    scenario = Scenario.load(ROOT / "docs" / "own_market.yaml").override({"traffic.requests_per_day": 200, "days": 1})
    world = World(scenario, seed=0)
    world.run()
    (outage,) = scenario.serving.outages  # type: ignore[union-attr]
    hours = outage.start_s / 3600, (outage.start_s + outage.duration_s) / 3600
    assert [(mark.hour, mark.word) for mark in marks(world)] == [(hours[0], "outage"), (hours[1], "repaired")]


def test_of_many_marks_only_the_first_have_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = matplotlib.figure.Figure()
    axis = figure.subplots()
    monkeypatch.setattr(world, "events", [world.events[0]._replace(time_us=world.hours(10 * n)) for n in range(12)])
    draw_marks([axis], world, 24.0 * DAYS)
    assert len(axis.lines) == 12
    assert len(axis.texts) == MOST


def test_nothing_leaves_its_axes(world: World) -> None:
    """Not a campaign that was given more than its budget either."""
    assert np.nanmax(spent_shares(world)[1]) > 1.05
    figure = adarena.draw(world)
    assert "days over each other" in figure.axes[1].get_title(loc="left")
    for axis in figure.axes:
        top = axis.get_ylim()[1]
        for line in axis.lines:
            if line.get_linestyle() != ":":
                assert np.nanmax(line.get_ydata()) <= top  # type: ignore[type-var]
        for band in axis.collections:
            assert max(path.vertices[:, 1].max() for path in band.get_paths()) <= top
        assert axis.get_xlim()[1] in (24.0, 24.0 * DAYS)
    close(figure)


def test_who_does_not_run_has_no_curve_and_no_budget() -> None:
    scenario = Scenario.load(ROOT / "docs" / "own_market.yaml").override({"serving": None, "fatigue": None})
    world = World(scenario, seed=0)
    world.run()
    k = world.campaigns.names.index("cakes")
    assert world.campaigns.active(0)[k] != world.campaigns.active(1)[k]
    off = 0 if world.campaigns.active(1)[k] else 1
    assert np.isnan(spent_shares(world)[off][:, k]).all()
    assert not np.isnan(spent_shares(world)[1 - off]).any()
    daily = world.campaigns.listed[k].budget_per_day
    assert budget_of(world, k) == daily  # of the one day
    day = world.scenario.ticks_per_day
    there = [n for n in range(4) if n != k]
    left = world.ledger.left[off * day, there].sum() / world.campaigns.budget[there].sum()
    assert left_shares(world)[1][off * day] == pytest.approx(left)


def test_budgets_hold_what_was_added(world: World) -> None:
    names = world.campaigns.names
    daily = [campaign.budget_per_day or 0.0 for campaign in world.campaigns.listed]
    assert budget_of(world, names.index("c3")) == pytest.approx(DAYS * daily[3] + 300)
    assert budget_of(world, names.index("c4")) == pytest.approx(2 * daily[4] + 3 * 50)
    assert budget_of(world, names.index("c0")) == pytest.approx(DAYS * daily[0])


def test_realised_value_is_what_conversions_were_worth_then(world: World) -> None:
    """Their expectation is the expected value beside them: over all campaigns the two agree within sampling error."""
    conversions, value = world.ledger.attributed(), worth(world)
    other = World(world.scenario, seed=2)
    other.run()
    doubled = np.arange(len(value)) >= world.hours(30) // world.scenario.tick_us
    np.testing.assert_allclose(value[:, 0] / worth(other)[:, 0], np.where(doubled, 2.0, 1.0))
    np.testing.assert_allclose(value[:, 1:], worth(other)[:, 1:])
    realised, expected = (conversions * value).sum(), world.ledger.value().sum()
    error = np.sqrt((conversions * value**2).sum())
    assert abs(realised - expected) < 4 * error
    table = day_table(world)
    columns = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert columns["realised"][-1] == f"{realised:,.2f}"
    assert columns["expected"][-1] == f"{expected:,.2f}"


def test_titles_tell_what_was_made_from_what_was_expected_and_planned(world: World) -> None:
    said = requests_of(world)
    assert said == f"{world.ledger.counts[:, Count.REQUESTS, 0].sum():,} requests made, {600 * DAYS:,} expected"
    sessions = World(Scenario.preset("leads").override({"days": 1, "traffic.requests_per_day": 2000}), seed=1)
    sessions.run()
    assert sessions.visits is not None
    frame = sessions.visits.to_frame()
    planned, made = (int(frame[name].sum()) for name in ("requests_planned", "requests"))
    assert made == sessions.played < planned
    assert requests_of(sessions).startswith(f"{made:,} requests made, ")
    assert requests_of(sessions).endswith(f" expected, {planned:,} planned")


def test_drawing_changes_nothing_of_the_users(world: World) -> None:
    import matplotlib.pyplot as plt

    before, backend, open_ = dict(matplotlib.rcParams), matplotlib.get_backend(), plt.get_fignums()
    figure = adarena.draw(world)
    assert encoded(figure, "png")[:4] == b"\x89PNG"
    assert dict(matplotlib.rcParams) == before
    assert (matplotlib.get_backend(), plt.get_fignums()) == (backend, open_)
    close(figure)
    with pytest.raises(MarketError, match="no picture 'leads' of scenario 'tiny', but day"):
        adarena.draw(world, "leads")


def test_letters_that_no_font_has_are_drawn_without_a_word() -> None:
    world = World(Scenario.preset("tiny").override({"name": "tiny \N{FIRE}", "traffic.requests_per_day": 600}), seed=0)
    world.run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded(adarena.draw(world), "png")


def test_things_say_what_they_are(world: World) -> None:
    assert repr(world).startswith("<World 'tiny', seed 2, engine compiled: over; ")
    assert f"{DAYS * 24} ticks of {DAYS * 24} closed" in repr(world.ledger)
    assert repr(world.scenario) == (
        f"<Scenario 'tiny': {DAYS} days of 600 requests, 6 campaigns; digest {world.scenario.digest}>"
    )
    assert repr(world.campaigns) == "<6 campaigns with 12 ads: c0, c1, c2, c3, c4, ...>"
    odd = World(Scenario.preset("tiny").override({"name": "<b>&"}), seed=0)
    odd.run(odd.time_us(hours=1, minutes=30))
    assert "day 1 of 1, 01:30; " in repr(odd)
    for shown in (odd, odd.ledger, odd.scenario):
        html = shown._repr_html_()
        assert "<b>&" not in html
        assert html.startswith("<div>")
    assert "&lt;b&gt;&amp;" in odd._repr_html_()
    assert f"{world.ledger.spend().sum(axis=0).max():,.2f}" in world.ledger._repr_html_()


def test_hours_are_microseconds(world: World) -> None:
    assert world.hours(20) == 20 * 3_600_000_000
    assert world.hours(0.5) == world.time_us(minutes=30) == world.time_us(seconds=1800)
    with pytest.raises(MarketError, match="made of numbers"):
        world.hours("1")  # type: ignore[arg-type]
