"""Training that is stopped: what was learned is kept, the run goes on to the same agent, and nothing is overwritten unasked."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from notices import besides_compiling
from places import ROOT
from test_learning import SMALL, every_algorithm, learn, weights

from adarena.__main__ import main
from adarena.agents.learning import training
from adarena.agents.learning.saved import load_agent
from adarena.agents.learning.stopping import Stopped, postponed
from adarena.benchmarks.output import progress
from adarena.simulator import PolicyError

LINE = ["--env", "scenario=tiny", "--set", "envs=2", "group=2", "n_steps=50", "batch_size=50"]


def at(steps: int, action: Any) -> Any:
    """An `advance` that acts once, at a step."""
    done: list[int] = []

    def advance(now: int, mean_return: float | None) -> None:
        if now >= steps and not done:
            done.append(now)
            action()

    return advance


def send(number: int) -> Any:
    return lambda: os.kill(os.getpid(), number)


@every_algorithm
@pytest.mark.parametrize("steps", [1, 230])
def test_an_interrupted_run_leaves_a_checkpoint_and_resumes_to_the_last_bit(algorithm: str, steps: int, tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole", algorithm, 400)
    with pytest.raises(KeyboardInterrupt, match=r"stopped at \d+ of 400 steps") as caught:
        learn(tmp_path / "run", algorithm, 400, advance=at(steps, send(signal.SIGINT)))
    assert isinstance(caught.value, Stopped)
    assert steps <= caught.value.steps == load_agent(tmp_path / "run").card.timesteps <= steps + 99
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    learn(tmp_path / "run", algorithm, 400, resume=True)
    assert weights(tmp_path / "run") == weights(whole)


@every_algorithm
def test_a_run_that_was_killed_at_once_resumes_from_its_first_step(algorithm: str, tmp_path: Path) -> None:
    def kill() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        learn(tmp_path / "run", algorithm, 200, advance=at(1, kill))
    with pytest.raises(PolicyError, match="holds a training run: resume it"):
        learn(tmp_path / "run", algorithm, 200)
    learn(tmp_path / "run", algorithm, 200, resume=True)
    assert weights(tmp_path / "run") == weights(learn(tmp_path / "whole", algorithm, 200))


def test_a_minute_is_the_most_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock where no number of steps is given; a checkpoint changes nothing."""
    kept: list[int] = []
    whole = training._keep
    monkeypatch.setattr(training, "_keep", lambda *given: kept.append(given[-1].num_timesteps) or whole(*given))
    monkeypatch.setattr(training, "MINUTE_S", 0.0)
    learn(tmp_path / "often", timesteps=400)
    assert kept == [100, 200, 300, 400]
    monkeypatch.setattr(training, "MINUTE_S", 3600.0)
    kept.clear()
    learn(tmp_path / "seldom", timesteps=400)
    assert kept == [400]
    kept.clear()
    learn(tmp_path / "steps", timesteps=400, checkpoint_every=150)
    assert kept == [200, 400]
    assert weights(tmp_path / "often") == weights(tmp_path / "seldom") == weights(tmp_path / "steps")


def test_a_second_signal_ends_at_once_and_handlers_come_back() -> None:
    with postponed() as came:
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_of_others_are_asked_and_what_is_ignored_stays_so(tmp_path: Path) -> None:
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with postponed() as came:
            signal.raise_signal(signal.SIGINT)
        assert came == []
        with pytest.raises(Stopped):
            learn(tmp_path / "run", timesteps=400, advance=at(120, send(signal.SIGTERM)))
        assert asked == [signal.SIGTERM]
        assert load_agent(tmp_path / "run").card.timesteps == 200
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, ignored)


def test_another_thread_trains_without_handlers() -> None:
    seen: list[Any] = []

    def look() -> None:
        with postponed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_a_run_is_deleted_only_when_asked(tmp_path: Path) -> None:
    out = learn(tmp_path / "run", timesteps=200)
    learn(out, timesteps=300, resume=True)
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(PolicyError, match="resume and fresh exclude each other"):
        learn(out, timesteps=200, resume=True, fresh=True)
    with pytest.raises(PolicyError, match="there is no environment"):
        training.train("AdArena/None-v0", SMALL["ppo"], 10, 0, out, fresh=True)
    (out / "checkpoint.pt").rename(tmp_path / "kept.pt")  # curves and an agent are a run, too
    with pytest.raises(PolicyError, match="holds a training run"):
        learn(out, timesteps=200)
    (tmp_path / "kept.pt").rename(out / "checkpoint.pt")
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    learn(out, timesteps=200, fresh=True)
    assert weights(out) == weights(learn(tmp_path / "other", timesteps=200))
    assert [path.name for path in sorted(out.glob("*.csv"))] == ["progress-0.csv"]
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_says_how_to_go_on(number: int, status: int, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "adarena", "train", "--timesteps", "50000", "--out", str(tmp_path / "my run"), *LINE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    curves = tmp_path / "my run" / "progress-0.csv"
    deadline = time.monotonic() + 120
    while not (curves.exists() and curves.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == status, errors
    notice, said = besides_compiling(errors).splitlines()
    assert notice.startswith("stopping after the checkpoint")
    found = re.fullmatch(r"adarena: stopped at ([\d,]+) of 50,000 steps; go on with: adarena (.*)", said)
    assert found is not None, errors
    assert load_agent(tmp_path / "my run").card.timesteps == int(found[1].replace(",", "")) > 0
    assert shlex.split(found[2]) == [*line[3:], "--resume"]


def test_off_a_terminal_a_line_tells_how_far_it_is_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_S", 0.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["adarena", "train", "--timesteps", "200", "--out", "run", *LINE])
    main()
    printed = capsys.readouterr()
    learned = r"(, mean return (-?\d+\.\d{3}), spend [\d,.]+)?"
    pattern = rf"ppo: ([\d,]+) of 200 steps{learned}(, [\d,]+ steps/s, \d+:\d\d:\d\d left)?"
    lines = [re.fullmatch(pattern, line) for line in besides_compiling(printed.err).splitlines()]
    assert all(lines)
    assert [int(line[1]) for line in lines if line] == list(range(2, 202, 2))
    returns = [line[3] for line in lines if line]
    assert returns[0] is None  # no day is over yet
    assert [line[4] is None for line in lines if line] == [True] + [False] * 99  # no time has gone by at first
    csv = (tmp_path / "run/progress-0.csv").read_text().splitlines()
    assert csv[0].split(",") == sorted(csv[0].split(","))  # in each process alike
    last = float(dict(zip(csv[0].split(","), csv[-1].split(","), strict=True))["rollout/ep_rew_mean"])
    assert float(returns[-1]) == pytest.approx(last, abs=6e-4)
    assert "compare it: adarena bench bidding --policies pid agent:run --scenario tiny" in printed.out
    assert "\nppo" not in printed.out
