"""Who does the work changes nothing: this process, two, or workers of Ray, of which one is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mortal import Mortal, always
from notices import besides_compiling
from places import ROOT
from test_resuming import rows

from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.cluster import RETRIES, Cluster, Home
from adarena.benchmarks.comparison.store import Store
from adarena.benchmarks.comparison.workers import HERE, Crew, Processes, hired
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, PolicyError, Scenario

SMALL = ("traffic.requests_per_day=2000", "demand.campaigns=12")
LABELS = {"pid": "pid", "fixed": "fixed"}
DAYS = 4


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return Scenario.preset("bidding-small").override(SMALL)


def summary(scenario: Scenario, crew: Crew, path: Path) -> tuple[str, list[Any]]:
    """The text of `summary.json`, and the rows as the store has them, without what is timed."""
    with Store(path) as store:
        found = measuring.run(BIDDING, scenario, LABELS, DAYS, crew=crew, store=store)
    with sqlite3.connect(path) as db:
        kept = db.execute(
            "SELECT policy, \"case\", kind, json_remove(numbers, '$.seconds') FROM rows ORDER BY 1, 2, 3"
        ).fetchall()
    return report.as_json(report.summary(found, report.estimates(found, "fixed"), "fixed")), kept


@pytest.fixture(scope="module")
def alone(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Any]]:
    return summary(scenario, HERE, tmp_path_factory.mktemp("alone") / "results.sqlite")


def test_two_processes_give_the_bytes_of_one(scenario: Scenario, alone: Any, tmp_path: Path) -> None:
    assert summary(scenario, Processes(2), tmp_path / "results.sqlite") == alone


def test_workers_of_ray_give_the_bytes_of_one_process(scenario: Scenario, alone: Any, cluster: Cluster, tmp_path: Path) -> None:
    assert len(alone[1]) == DAYS * (len(LABELS) + 1)
    assert summary(scenario, cluster, tmp_path / "results.sqlite") == alone


def test_so_they_do_when_one_is_killed(scenario: Scenario, alone: Any, cluster: Cluster, tmp_path: Path) -> None:
    died = tmp_path / "died"
    assert summary(scenario, Mortal(cluster, died), tmp_path / "results.sqlite") == alone
    assert died.exists()


def test_a_task_that_kills_every_worker_ends_the_whole(cluster: Cluster) -> None:
    with pytest.raises(MarketError, match=rf"died {RETRIES + 1} times .*; run the same command again"):
        list(cluster.results(always, [0]))


def test_an_error_of_a_task_ends_the_whole_as_it_was_raised(scenario: Scenario, cluster: Cluster) -> None:
    task = measuring.Task(BIDDING, scenario, "mixed", BIDDING.cases(scenario, 1)[0], "pid:kq=1", "", "run")
    with pytest.raises(PolicyError, match="kq"):
        list(cluster.results(measuring.perform, [task, task]))
    with pytest.raises(ZeroDivisionError):
        list(cluster.results(divided, [1, 0]))


def divided(by: int) -> float:
    return 1 / by


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"version": "0.0", "code": "x"}, r"there, 0\.0 here"),
        ({"code": "x"}, "other sources of adarena"),
        ({"surroundings": ("a stone", *Home.here().surroundings[1:]), "code": "x"}, "there, a stone here"),
    ],
)
def test_a_worker_with_other_code_does_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], said: str
) -> None:
    here = Home.here()._replace(**other)
    monkeypatch.setattr(Home, "here", classmethod(lambda cls: here))
    with pytest.raises(MarketError, match=f"would not give the bytes of this machine: .*{said}"):
        list(cluster.results(divided, [1]))


def test_what_goes_wrong_on_another_machine_says_where(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Home.here()._replace(host="the-head")
    monkeypatch.setattr(Home, "here", classmethod(lambda cls: here))
    scenario = Scenario.named("tiny")
    task = measuring.Task(BIDDING, scenario, "mixed", BIDDING.cases(scenario, 1)[0], "gone.py:Mine", "", "run")
    with pytest.raises(PolicyError, match=r"gone\.py.* \(on .*; files that a policy names must lie there as on the-head\)"):
        list(cluster.results(measuring.perform, [task]))


def test_workers_act_from_the_current_folder(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(cluster.results(os.path.abspath, ["here"])) == [(0, str(tmp_path / "here"))]


def test_signals_are_left_as_they_were(cluster: Cluster) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("jobs", "ray", "said"),
    [(0, None, "at least one job, not 0"), (0, "local", "not 0"), (2, "10.0.0.1:6379", "leave out jobs")],
)
def test_crews_that_cannot_be_had(jobs: int, ray: str | None, said: str, cluster: Cluster) -> None:
    with pytest.raises(MarketError, match=said), hired(jobs, ray):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense"])
def test_an_address_without_a_cluster(address: str, cluster: Cluster) -> None:
    with pytest.raises(MarketError, match=f"no Ray cluster to join at '{address}'"), Cluster(address) as crew:
        list(crew.results(divided, [1]))


def test_without_ray_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MarketError, match=r"pip install 'adarena\[ray\]'"), hired(2, "local"):
        pass


def test_a_comparison_on_ray_that_is_ended_keeps_its_rows_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'adarena[ray]'")
    words = ["bench", "bidding", "--policies", "pid", "--seeds", "20", "--set", *SMALL, "--out", "found"]
    line = [sys.executable, "-m", "adarena", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings"), "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        [*line, "--ray", "local", "--jobs", "2"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    store, deadline = tmp_path / "found" / "results.sqlite", time.monotonic() + 120
    while not rows(store) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "stopped; " in errors
    assert "the same command goes on from there" in besides_compiling(errors)
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "reused " in done.stdout
