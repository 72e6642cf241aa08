"""What is said while something takes long: when, how often, and by whom."""

import re
import time

import pytest

from adarena.benchmarks.output import progress
from adarena.simulator.core import notice


def test_a_stage_is_named_once_it_has_taken_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(notice, "PATIENCE_S", 0.05)
    with notice.stage("setting up a market"):
        time.sleep(0.3)
        assert capsys.readouterr().err == "adarena: setting up a market\n"
    monkeypatch.setattr(notice, "PATIENCE_S", 0.2)
    with notice.stage("what is quick"):
        pass
    with pytest.raises(ValueError, match="wrong"), notice.stage("what fails"):
        raise ValueError("wrong")
    time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_off_a_terminal_a_line_every_so_often_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress("days of [bread]", 100) as advance:
        for _ in range(100):
            clock[0] += 10.0
            advance()
    lines = capsys.readouterr().err.splitlines()
    told = [re.fullmatch(r"days of \[bread\]: (\d+) of 100, about (\d:\d\d:\d\d) left", line) for line in lines]
    assert [int(line[1]) for line in told if line] == list(range(3, 100, 3))  # every 30 seconds
    assert told[0][2] == "0:16:10"
    assert told[-1][2] == "0:00:10"


def test_what_is_over_soon_is_done_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("quick", 3) as advance:
        for _ in range(3):
            advance()
    assert capsys.readouterr().err == ""
