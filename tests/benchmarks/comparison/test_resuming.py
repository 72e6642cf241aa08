"""What is stored is not measured again: killed runs resume, jobs share work, and other code or policies start anew."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from adarena.agents.catalogue import make_policy
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison import store as stores
from adarena.benchmarks.comparison.store import Store, source_digest
from adarena.benchmarks.comparison.workers import HERE, Processes
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, PolicyError, Scenario
from adarena.simulator.core.disk import write

SMALL = ("traffic.requests_per_day=3000", "demand.campaigns=12")
LABELS = {"pid": "pid", "dual": "dual", "fixed": "fixed"}
ROWS = 6 * 4
FEW = 5
# The heart of `adarena bench`, without its figures; killed once it has stored so many rows.
COMPARE = f"""
import os, signal, sys
from pathlib import Path
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.store import Store
from adarena.benchmarks.comparison.workers import Processes
from adarena.simulator.core.disk import write
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import Scenario

class Mortal(Store):
    def add(self, *row):
        super().add(*row)
        if self.added == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    scenario = Scenario.preset("bidding-small").override({SMALL})
    with Mortal(folder / "results.sqlite") as store:
        found = measuring.run(BIDDING, scenario, {LABELS}, 6, crew=Processes(int(sys.argv[2])), store=store)
    write(folder / "summary.json", report.as_json(report.summary(found, report.estimates(found, "fixed"), "fixed")))
"""


@pytest.fixture(scope="module")
def scenario():
    return Scenario.preset("bidding-small").override(SMALL)


def compare(folder: Path, jobs: int, killed_after: int = 0) -> subprocess.CompletedProcess:
    folder.mkdir(exist_ok=True)
    script = folder / "compare.py"
    script.write_text(COMPARE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    command = [sys.executable, str(script), str(folder), str(jobs), str(killed_after)]
    return subprocess.run(command, env=environment, stderr=subprocess.PIPE, timeout=120)


def finish(folder: Path, jobs: int) -> bytes:
    process = compare(folder, jobs)
    assert process.returncode == 0, process.stderr.decode()
    assert rows(folder / "results.sqlite") == ROWS
    return (folder / "summary.json").read_bytes()


def rows(path: Path) -> int:
    """How many a store holds, while somebody may be making it."""
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute("SELECT COUNT(*) FROM rows").fetchone()[0]
    except sqlite3.OperationalError:  # the table is not there yet
        return 0


def kill_midway(folder: Path, jobs: int) -> None:
    """Begins a comparison that is killed once it has stored a few rows."""
    assert compare(folder, jobs, killed_after=FEW).returncode == -signal.SIGKILL
    assert rows(folder / "results.sqlite") == FEW
    assert not (folder / "summary.json").exists()


def test_a_killed_run_resumes_in_two_processes_to_the_bytes_of_a_whole_run_in_one(scenario, tmp_path):
    kill_midway(tmp_path / "killed", jobs=2)
    resumed = finish(tmp_path / "killed", jobs=2)
    whole = measuring.run(BIDDING, scenario, LABELS, 6)
    write(tmp_path / "whole.json", report.as_json(report.summary(whole, report.estimates(whole, "fixed"), "fixed")))
    assert resumed == (tmp_path / "whole.json").read_bytes()


def test_what_is_stored_is_not_played_again(scenario, tmp_path, monkeypatch):
    policies = {"pid": "pid", "truthful": "truthful"}
    with Store(tmp_path / "r.sqlite") as kept:
        first = measuring.run(BIDDING, scenario, policies, 2, store=kept)
    monkeypatch.setattr(measuring, "play", None)
    monkeypatch.setattr(measuring, "hindsight", None)
    with Store(tmp_path / "r.sqlite") as kept:
        again = measuring.run(BIDDING, scenario, policies, 2, store=kept)
        assert again.yardsticks == first.yardsticks
        for name in policies:
            for one, other in zip(first.runs[name], again.runs[name], strict=True):
                assert (one.numbers, one.seconds) == (other.numbers, other.seconds)  # timing too: stored once
                assert one.curve.tobytes() == other.curve.tobytes()
        with pytest.raises(TypeError):  # a third day is not there yet
            measuring.run(BIDDING, scenario, policies, 3, store=kept)


def test_a_row_is_found_only_by_what_made_it(scenario, monkeypatch):
    case = BIDDING.cases(scenario, 1)[0]
    task = measuring.Task(BIDDING, scenario, "mixed", case, "pid", "", "run")
    kept = Store()
    measuring.measure([task], kept, HERE, lambda: None)
    others = [
        task._replace(scenario=scenario.override(["auction.slots=2"])),
        task._replace(rivals="pid"),
        task._replace(policy="pid:kp=2"),
        task._replace(source="1234"),
        task._replace(case=case._replace(seed=case.seed + 1)),
        task._replace(case=case._replace(unit=case.unit + 1)),
        task._replace(policy=None, kind="hindsight"),
        task._replace(kind="trial"),
    ]
    assert measuring.read(kept, task) is not None
    assert [measuring.read(kept, other) for other in others] == [None] * len(others)
    monkeypatch.setattr(measuring, "code_version", lambda: "another")
    assert measuring.read(kept, task) is None


def test_an_edit_of_a_users_policy_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "from adarena.agents.bidding import PID\nclass Mine(PID):\n    pass\n"
    Path("mine.py").write_text(text)
    before = source_digest(make_policy("bidding", "mine.py:Mine"))
    Path("mine.py").write_text(text + "# another\n")
    assert before != source_digest(make_policy("bidding", "mine.py:Mine")) != source_digest(make_policy("bidding", "pid")) == ""


@pytest.mark.parametrize("named", ["saved", "saved/agent.bin"])
def test_what_a_field_names_belongs_to_the_policy(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    text = "from dataclasses import dataclass\nfrom adarena.agents.bidding import PID\n"
    Path("mine.py").write_text(text + "@dataclass\nclass Mine(PID):\n    path: str = ''\n")
    Path("saved").mkdir()
    seen = {source_digest(make_policy("bidding", "mine.py:Mine"))}
    for content in (b"one", b"other"):
        Path("saved/agent.bin").write_bytes(content)
        seen.add(source_digest(make_policy("bidding", f"mine.py:Mine:path={named}")))
    assert len(seen) == 3


def test_the_code_version_follows_every_source_of_numbers(tmp_path, monkeypatch):
    """Those that only say what was measured, such as the report's, leave what is kept as it is."""
    numbers = ("simulator/a/b.py", "agents/a.py", "envs/a.py", "benchmarks/suites/a.py")
    numbers += ("benchmarks/comparison/suite.py", "benchmarks/comparison/measuring.py")
    sources = (*numbers, "benchmarks/comparison/report.py")
    for source in sources:
        assert (ROOT / source).exists() or "comparison" not in source
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).write_text("x = 1\n")
    monkeypatch.setattr(stores, "ROOT", tmp_path)
    seen = [stores.code_version.__wrapped__()]
    for source in sources:
        (tmp_path / source).write_text("x = 2\n")
        seen.append(stores.code_version.__wrapped__())
    assert len(set(seen)) == 1 + len(numbers)
    assert seen[-1] == seen[-2]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 40, 3, 99])
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "r.sqlite"
    if isinstance(content, int):  # an earlier layout, of a table for each kind of row; or a later one
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {content}")
    else:
        path.write_bytes(content)
    with pytest.raises(MarketError, match=r"r\.sqlite"):
        Store(path)


def test_an_error_of_a_worker_is_the_errors_sentence(scenario):
    task = measuring.Task(BIDDING, scenario, "mixed", BIDDING.cases(scenario, 1)[0], "pid:kq=1", "", "run")
    with pytest.raises(PolicyError, match="kq"):
        list(Processes(2).results(measuring.perform, [task, task]))


def test_a_row_is_written_once(tmp_path):
    """So is its timing, the only number that would come out otherwise a second time."""
    key = dict.fromkeys(stores.KEY, "x") | {"case": {"seed": 1, "campaign": 2}}
    with Store(tmp_path / "r.sqlite") as kept:
        kept.add(key, {"value": 1.5, "seconds": 0.25})
        kept.add(key, {"value": 1.5, "seconds": 9.0})
        assert kept.find(key) == {"value": 1.5, "seconds": 0.25}
