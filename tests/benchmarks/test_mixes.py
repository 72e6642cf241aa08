"""Policies against crowds: rows are the day's books, ratios are paired, what is written is what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from adarena.__main__ import main
from adarena.agents.bidding.rivals import rivals
from adarena.agents.catalogue import make_policy
from adarena.benchmarks import mixes
from adarena.benchmarks.suites import suite
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.money import MICRO

TINY = Scenario.preset("tiny")
LABELS = {"pid": "pid", "both": "pid+dual", "fixed": "fixed"}


def test_rows_are_the_days_books_and_ratios_are_paired() -> None:
    met = mixes.measure(suite("bidding"), TINY, LABELS, "fixed", ("mixed", "mpc"), 9)
    for number, crowd in enumerate(met.crowds):
        for place, case in enumerate(met.cases):
            world = World(
                TINY, {"bidding": {**rivals(TINY, case.unit, crowd), case.unit: make_policy("bidding", "pid")}}, case.seed
            )
            world.run()
            assert met.score["pid"][number, place] == pytest.approx(world.ledger.value()[:, case.unit].sum(), rel=1e-12)
            spent = world.ledger.spend()[:, case.unit].sum() / (world.campaigns.budget[case.unit] / MICRO)
            assert met.end["pid"][number, place] == pytest.approx(spent)
    alone = mixes.measure(suite("bidding"), TINY, {"dual": "dual", "fixed": "fixed"}, "fixed", ("mpc",), 9)
    np.testing.assert_allclose(met.score["both"][1], (met.score["pid"][1] + alone.score["dual"][0]) / 2)
    by_day, sums = met.over_reference("pid", 1)
    own, other = met.score["pid"][1], met.score["fixed"][1]
    assert by_day.mean == pytest.approx(np.mean(own[other > 0] / other[other > 0]) - 1)
    assert sums.mean == pytest.approx(own.sum() / other.sum() - 1)
    assert by_day.interval is not None
    assert by_day.interval.low < by_day.mean < by_day.interval.high


def test_the_command_writes_what_it_prints_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["mixes", "bidding", "--scenario", "tiny", "--seeds", "3", "--rivals", "dual", "pid", "--reference", "fixed"]
    words += ["--out", str(tmp_path), "--policies", "pid", "fixed"]
    monkeypatch.setattr(sys, "argv", ["adarena", *words])
    main()
    first = capsys.readouterr().out
    assert "3 days against each crowd" in first
    told = json.loads((tmp_path / "mixes.json").read_text())
    assert [(row["crowd"], row["policy"]) for row in told["rows"]] == [
        ("dual", "pid"), ("dual", "fixed"), ("pid", "pid"), ("pid", "fixed"),
    ]  # fmt: skip
    row = told["rows"][0]
    assert f"{row['mean_of_ratios']:+.1%}" in first
    assert f"{row['ratio_of_sums']:+.1%}" in first
    assert told["rows"][1]["mean_of_ratios"] == 0
    assert row["mean_of_ratios_ci_low"] is None  # three days
    main()
    assert "reused 12 of 12 rows" in capsys.readouterr().out
    assert json.loads((tmp_path / "mixes.json").read_text()) == told


def test_crowds_are_mixes_of_a_suite_with_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mixes.crowds_of(suite("bidding"), []) == tuple(suite("bidding").mixes)
    assert mixes.crowds_of(suite("bidding"), ["pid", "dual", "pid"]) == ("pid", "dual")
    with pytest.raises(MarketError, match="nice"):
        mixes.crowds_of(suite("bidding"), ["nice"])
    monkeypatch.setattr(sys, "argv", ["adarena", "mixes", "compute", "--seeds", "3"])
    with pytest.raises(SystemExit):
        main()
