"""Experiments by buckets: they tell the truth where users do not touch each other, and not where they share budgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adarena.__main__ import main
from adarena.benchmarks import abtest
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.engine.desk import bucket_of
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, Patterns

SMALL = Scenario.preset("allocation-small").override({"days": 3, "users.count": 600, "traffic.requests_per_day": 7_200})
POLICIES = {"two ads": "fixed:pattern=8", "one ad": "fixed:pattern=1"}


def test_an_experiment_tells_the_truth_where_users_do_not_touch_each_other() -> None:
    tried = abtest.measure(SMALL, POLICIES, 8)
    for number in range(len(abtest.NUMBERS)):
        _, truth, off = tried.estimates(number)
        assert off.interval is not None
        assert off.interval.low < 0 < off.interval.high
        assert truth.interval is not None
        assert truth.interval.low * truth.interval.high > 0


def test_it_does_not_where_they_share_budgets() -> None:
    """More ads take money from the other half, of which there is no more when all get more ads."""
    many = {"demand.budget_share": 0.15, "users.count": 3_000, "traffic.requests_per_day": 36_000, "days": 2}
    said, truth, off = abtest.measure(SMALL.override(many), POLICIES, 8).estimates(abtest.NUMBERS.index("ad revenue"))
    assert off.interval is not None
    assert off.interval.low > 0
    assert said.mean > 1.5 * truth.mean


class Always(AllocationPolicy):
    def __init__(self, pattern: int) -> None:
        self.pattern = pattern

    def decide(self, view: Any) -> Patterns:
        return Patterns(self.pattern)


def test_users_of_an_experiment_live_as_they_do_alone() -> None:
    """To the last bit, where nothing is shared: those of a bucket, and its half's means are what is told."""
    half = bucket_of(SMALL, 600) < 50
    two, one = Always(8), Always(1)
    books = []
    for seats in ({b: two if b < 50 else one for b in range(100)}, two, one):
        world = World(SMALL, {"allocation": seats}, seed=1_000_000)
        world.run()
        assert world.pages is not None
        books.append(world.pages.users.copy())
    np.testing.assert_array_equal(books[0][half], books[1][half])
    np.testing.assert_array_equal(books[0][~half], books[2][~half])
    told = abtest.measure(SMALL, POLICIES, 1).split[0, abtest.NUMBERS.index("pages")]
    assert told == pytest.approx(books[1][half, PageSum.PAGES].mean() - books[2][~half, PageSum.PAGES].mean())


def test_the_command_writes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    small = ["users.count=100", "traffic.requests_per_day=600", "days=1", "ticks_per_day=12"]
    words = ["abtest", "--policies", "shadow", "never", "--seeds", "2", "--out", str(tmp_path), "--set", *small]
    monkeypatch.setattr("sys.argv", ["adarena", *words])
    main()
    told = json.loads((tmp_path / "abtest.json").read_text())
    assert told["policies"] == {"shadow": "shadow", "never": "never"}
    assert [row["number"] for row in told["rows"]] == list(abtest.NUMBERS)
    assert "shadow instead of never" in capsys.readouterr().out


def test_mistakes_cost_a_sentence() -> None:
    with pytest.raises(PolicyError, match="two are needed, not 1"):
        abtest.measure(SMALL, {"never": "never"}, 2)
    with pytest.raises(MarketError, match="the allocation seat needs pages"):
        abtest.measure(Scenario.preset("tiny"), POLICIES, 2)
