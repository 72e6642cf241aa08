"""What `adarena scale` measures of a market split over shards: errors, calls, tables and a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from adarena.benchmarks.output.figures import encoded
from adarena.benchmarks.speed import scale
from adarena.simulator import MarketError, Scenario

SCENARIO = Scenario.preset("bidding-small").override({"traffic.requests_per_day": 2000, "demand.campaigns": 6})
DAYS, LADDER = 3, (2, 4)


@pytest.fixture(scope="module")
def found() -> scale.Scale:
    done: list[int] = []
    measured = scale.measure(SCENARIO, "pid", DAYS, LADDER, None, lambda: done.append(1))
    assert len(done) == scale.steps(DAYS, LADDER)
    return measured


def test_errors_are_of_the_same_days_with_other_luck(found: scale.Scale) -> None:
    for one in (found.luck, *found.errors):
        assert one.spend.shape == one.value.shape == (DAYS,)
        assert (one.spend != 0).all()
        assert (np.abs(one.spend) < 0.3).all()
        assert one.least_left >= 0
        assert one.day > 0


def test_costs_are_measured_here_and_on_ray_only_where_asked(found: scale.Scale) -> None:
    assert [cost.shards for cost in found.costs] == list(LADDER)
    assert all(cost.threads > found.whole > 0 and np.isnan(cost.ray) for cost in found.costs)
    assert 0 < found.request < 1e-4


def test_a_computed_day_is_work_and_calls(found: scale.Scale) -> None:
    one, many = scale.day_s(found, 1, 0.0), scale.day_s(found, 16, 0.1)
    np.testing.assert_allclose(one, scale.REQUESTS * found.request)
    np.testing.assert_allclose(many, one / 16 + SCENARIO.ticks_per_day * 0.1)


def test_an_interval_is_students() -> None:
    mean, half = scale.interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)


def test_it_is_told_and_drawn(found: scale.Scale) -> None:
    console = Console(width=110, record=True, file=io.StringIO())
    for table in scale.tables(found):
        console.print(table)
    text = console.export_text()
    assert "other luck" in text
    assert "4 shards" in text
    assert encoded(scale.picture(found), "png").startswith(b"\x89PNG")


def test_too_few_days_are_refused() -> None:
    with pytest.raises(MarketError, match="at least 3 days to be told from luck, not 2"):
        scale.measure(SCENARIO, "pid", 2, LADDER, None, lambda: None)
