"""`adarena speed` measures one thing at a time, and says what it was asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from adarena.benchmarks.speed import billion, commands, curves, funnel_stages, stages, throughput
from adarena.benchmarks.speed.stopwatch import Measure
from adarena.simulator import MarketError, Scenario

NONE = {"quick": False, "stages": False, "billion": False, "curves": False}


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(width=110)


def test_one_thing_at_a_time(console: Console, tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"--quick and --curves are measurements of their own.*ask for one"):
        commands.command(console, {**NONE, "curves": True, "quick": True}, False, tmp_path, None)


def test_a_billion_of_a_few(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = Scenario.preset("tiny")
    monkeypatch.setattr(billion, "AUCTIONS", 5_000)
    monkeypatch.setattr(commands, "processors", lambda: 1)
    monkeypatch.setattr(Scenario, "preset", lambda name: tiny)
    commands.command(console, {**NONE, "billion": True}, True, tmp_path, None)
    found = {m["name"]: m for m in json.loads(capsys.readouterr().out)}
    assert found["days played again by themselves, same bytes"]["value"] == 2
    assert found["auctions"]["value"] >= 0.005
    assert found["by the clock"]["met"]


def test_quick_and_all_ask_for_different_measures(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def measures(quick: bool) -> list[object]:
        asked.append(quick)
        return [lambda: [Measure("speed", 5.0, "M/s", least=2.0 if quick else 9.0)]]

    monkeypatch.setattr(throughput, "measures", measures)
    commands.command(console, {**NONE, "quick": True}, False, tmp_path, None)
    assert "met" in capsys.readouterr().out
    commands.command(console, NONE, False, tmp_path, None)
    assert "missed" in capsys.readouterr().out
    assert asked == [True, True, False, False]


def test_stages_and_curves_are_told(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stages.Stages("bidding", "ns", [stages.Stage("walk", 30.0, 15.0), stages.Stage("the rest", 10.0)], 41.0)
    for module in (stages, funnel_stages):
        monkeypatch.setattr(module, "stages", lambda *_, **__: one)
    commands.command(console, {**NONE, "stages": True}, False, tmp_path, None)
    told = capsys.readouterr().out
    assert told.count("Stages of a request of bidding") == 3
    assert "2.00" in told
    assert "75.0%" in told
    commands.command(console, {**NONE, "stages": True}, True, tmp_path, None)
    assert json.loads(capsys.readouterr().out)[0]["total"] == 40.0
    side = curves.Side([3e6, 5e6], [4e6, 6e6])
    line = curves.Curve("campaigns", (48, 96), [3e6, 2e6], [6e6, 4e6])
    drawn = curves.Curves(line, line._replace(over="slots", sizes=(1, 2)), curves.Cores((1, 2), side, side))
    monkeypatch.setattr(curves, "curves", lambda advance: drawn)
    commands.command(console, {**NONE, "curves": True}, False, tmp_path, None)
    assert "speed.png" in capsys.readouterr().out
    assert (tmp_path / "speed.png").stat().st_size > 10_000
    commands.command(console, {**NONE, "curves": True}, True, tmp_path, None)
    assert json.loads(capsys.readouterr().out)["cores"]["processes"] == [[3e6, 5e6], [4e6, 6e6]]
