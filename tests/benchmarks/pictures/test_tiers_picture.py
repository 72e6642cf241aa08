"""The picture of a day by traffic tier: depths are those decided, queues those seen, and what is drawn the books'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from adarena.agents.compute.static import Static
from adarena.benchmarks.output.figures import close, encoded
from adarena.benchmarks.pictures import all as pictures
from adarena.benchmarks.pictures import tiers
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.delivery.queue import Served

SMALL = Scenario.preset("compute-small").override({"traffic.requests_per_day": 4_000, "ticks_per_day": 24})
CALM: dict[str, Any] = {"serving.service": "fixed", "serving.servers": 500, "serving.failures": None}


@pytest.fixture(scope="module")
def world() -> World:
    """Full quotas for the first tier, little for the last, on servers that fail and cannot do it."""
    out = World(
        SMALL.override({"serving.failures": {"probability": 1.0, "servers": [4, 4], "hours": [0.1, 0.1]}}),
        {"compute": Static(1.0, 0.3)},
        seed=1,
    )
    out.run()
    return out


def test_depths_are_those_decided_where_nobody_waits() -> None:
    world = World(SMALL.override(CALM), {"compute": Static(0.9, 0.3)}, seed=1)
    world.run()
    day = tiers.by_tier(world)
    for depths in (day.wanted, day.given):
        assert not np.isnan(depths).all(axis=0).any()
        for t, decided in enumerate((0.9, 0.6, 0.3)):
            # Work of a tick is of those begun in it: at its edges, others than those that came. Quotas are whole candidates.
            np.testing.assert_allclose(depths[~np.isnan(depths[:, t]), t], decided, atol=0.01)
    assert day.waiting.max() == day.lost.max() == 0


def test_requests_wait_as_the_queue_has_it_and_none_is_begun_without_servers() -> None:
    world = World(SMALL.override({"serving.outages": [{"start_s": 600, "duration_s": 600, "servers": 4}]}), seed=1)
    seen = []
    for tick in range(24):
        world.run((tick + 1) * SMALL.tick_us)
        assert world._exchange.queue is not None
        seen.append(world._exchange.queue.length.tolist())
    day = tiers.by_tier(world)
    np.testing.assert_array_equal(day.waiting, seen)
    assert day.waiting.max() > 5
    np.testing.assert_array_equal(np.isnan(day.given[5:7]), True)  # 750 s to 1,050 s
    assert day.servers[5:7].max() == 0
    assert not np.isnan(day.wanted[5:7]).all()


def test_a_run_that_has_begun_shows_its_closed_ticks() -> None:
    world = World(SMALL, seed=1)
    with pytest.raises(MarketError, match="nothing to draw yet"):
        tiers.by_tier(world)
    world.run(5 * SMALL.tick_us + 1)
    day = tiers.by_tier(world)
    assert len(day.edges) == 6
    assert day.requests.shape == day.waiting.shape == day.given.shape == (5, 3)
    assert day.forecast.shape == day.servers.shape == (5,)


def test_depths_of_many_ticks_are_told_in_pieces() -> None:
    """A piece is as if it had been one tick."""
    fine, coarse = (
        World(SMALL.override({**CALM, "ticks_per_day": ticks}), {"compute": Static(0.7, 0.4)}) for ticks in (96, 48)
    )
    for world in (fine, coarse):
        world.run()
    one, other = tiers.by_tier(fine), tiers.by_tier(coarse)
    assert len(one.edges) == 97
    assert one.wanted.shape == one.given.shape == (tiers.PIECES, 3) == other.wanted.shape
    np.testing.assert_allclose(one.edges[one.pieces], other.edges)
    for depths in (one.wanted, one.given):
        np.testing.assert_allclose(depths[~np.isnan(depths[:, 1]), 1], 0.55, atol=0.01)


def heights(axis: Any) -> list[np.ndarray]:
    """How high the areas of a panel are, tick by tick."""
    areas = [patch for patch in axis.patches if isinstance(patch, StepPatch) and patch.get_fill()]
    return [area.get_data().values - area.get_data().baseline for area in areas]


def test_what_is_drawn_is_what_the_books_hold(world: World) -> None:
    figure, books = tiers.picture(world), world.serving
    assert books is not None
    counts = books.by_tier
    axes = {axis.get_title(loc="left"): axis for axis in figure.axes}
    drawn = {
        "Requests": counts[..., Served.ARRIVED],
        "Load": counts[..., Served.ASKED_US] / SMALL.tick_us,
        "Requests lost": counts[..., Served.LATE] + counts[..., Served.GAVE_UP],
        "Revenue": (counts[..., Served.CHARGED] + counts[..., Served.OWED]) / MICRO,
    }
    for title, numbers in drawn.items():
        np.testing.assert_allclose(np.array(heights(axes[title])).T, numbers, atol=1e-9, err_msg=title)
        assert numbers.sum() > 0
        assert axes[title].get_ylim()[1] > numbers.sum(axis=1).max()
    (servers,) = (patch for patch in axes["Load"].patches if not patch.get_fill())
    np.testing.assert_array_equal(servers.get_data().values, books.capacity)
    assert books.capacity.min() == 0
    assert len(axes["Depth of the funnel, by server seconds"].lines) == 2 * 3 + 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["tier 0", "tier 1", "tier 2"]
    assert encoded(figure, "png").startswith(b"\x89PNG")
    close(figure)


def test_only_markets_with_tiers_servers_and_a_funnel_have_it(world: World) -> None:
    assert "tiers.png" in pictures.figures(world)
    assert "tiers.png" in pictures.NAMES
    for changes in ({"users.tiers": [], "weather.tiers": None}, {"serving": None}):
        other = World(SMALL.override(changes))
        assert not tiers.has_tiers(other)
