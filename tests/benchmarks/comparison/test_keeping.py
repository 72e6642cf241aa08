"""Rows that are kept: what is said of those that are reused, what `--fresh` does, and what is said when nothing can be kept."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from notices import besides_compiling
from places import ROOT

from adarena.__main__ import main
from adarena.agents.splits import SPLITS
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.comparison import store as stores
from adarena.benchmarks.comparison.store import Store
from adarena.simulator import MarketError

SMALL = ("--set", "traffic.requests_per_day=2000", "demand.campaigns=12")
SCORES = "SELECT SUM(json_extract(numbers, '$.score')) FROM rows"
REUSED = "reused {} of {} rows from {}; --fresh measures them anew"
COMMANDS = {
    "bench": ("b/results.sqlite", ("bench", "bidding", "--policies", "pid", "--seeds", "2", "--out", "b", *SMALL), 6),
    "tune": (
        "t.yaml.sqlite",
        ("tune", "bidding", "--policies", "dual", "fixed", "--configurations", "2", "--days", "2", "--out", "t.yaml", *SMALL),
        None,
    ),
}


def key(seed: int, campaign: int = 2) -> dict[str, object]:
    """The key of a row that nobody measured."""
    return {name: name for name in stores.KEY} | {"case": {"seed": seed, "campaign": campaign}}


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["adarena", *words])
        main()
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_reused_is_said_and_fresh_measures_it_anew(command, monkeypatch, name):
    path, words, rows = COMMANDS[name]
    assert "reused" not in command(*words)
    with sqlite3.connect(path) as db:
        there = db.execute("SELECT COUNT(*) FROM rows").fetchone()[0]
        assert there == (rows or there) > 0
        db.execute("UPDATE rows SET numbers = json_set(numbers, '$.score', 2 * json_extract(numbers, '$.score'))")
    measured = []
    whole = measuring.perform
    monkeypatch.setattr(measuring, "perform", lambda task: measured.append(task) or whole(task))
    assert REUSED.format(there, there, path) in command(*words)
    assert measured == []
    assert "reused" not in command(*words, "--fresh")
    assert len(measured) == there  # once each, although two policies share their yardsticks
    with sqlite3.connect(path) as db:
        after = db.execute(SCORES).fetchone()[0]
    assert REUSED.format(there, there, path) in command(*words)
    with Store() as kept:
        for task in measured:
            measuring.write(kept, task, whole(task))
        again = kept._db.execute(SCORES).fetchone()[0]
    assert after == pytest.approx(again, rel=1e-12)


def test_a_part_that_is_reused_is_told_from_the_rest(command):
    _, words, _ = COMMANDS["bench"]
    command(*words)
    more = [word if word != "2" else "3" for word in words]
    assert REUSED.format(6, 9, "b/results.sqlite") in command(*more)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_stopped_says_what_is_kept(tmp_path, name, number, status):
    path, words, _ = COMMANDS[name]
    many = ["3000" if before in ("--seeds", "--days") else word for before, word in zip(("", *words), words, strict=False)]
    line = [sys.executable, "-m", "adarena", *many]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while kept(tmp_path / path) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    rows = kept(tmp_path / path)
    said = f"adarena: stopped; {rows} new rows are kept in {path}: the same command goes on from there\n"
    assert besides_compiling(errors) == said


LOST = """
import ctypes, os, signal, time
from adarena.benchmarks.output.stopping import status, terminable
back = ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.{}))
try:
    with terminable():
        back()
        time.sleep(20)
except KeyboardInterrupt as stop:
    print(status(stop))
"""


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", "143"), ("SIGINT", "130")])
def test_a_signal_that_native_code_swallows_comes_again(name, status):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    line = [sys.executable, "-c", LOST.format(name)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"{status}\n", "")


def kept(path: Path) -> int:
    with contextlib.suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute("SELECT COUNT(*) FROM rows").fetchone()[0]
    return 0


# ---- faults


@contextlib.contextmanager
def unprivileged():
    """Root may write anywhere: so be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def filled(path: Path, rows: int = 1) -> Path:
    with Store(path) as kept:
        for seed in range(rows):
            kept.add(key(seed), {"score": 1.5})
    return path


def one_sentence(error: pytest.ExceptionInfo[MarketError], path: Path) -> str:
    said = str(error.value)
    assert said.startswith(f"cannot keep results in {str(path)!r}: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_cannot_be_written_is_said(tmp_path, what):
    for above in (tmp_path, *tmp_path.parents):
        if above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o755)
    path = tmp_path / "r.sqlite"
    if what == "file":
        filled(path).chmod(0o444)
    tmp_path.chmod(0o555)
    with unprivileged(), Store(path) as kept:
        if what == "file":
            assert kept.find(key(0)) == {"score": 1.5}
        with pytest.raises(MarketError) as caught:
            kept.add(key(1), {"score": 1.0})
    assert ("readonly" if what == "file" else "unable to open") in one_sentence(caught, path)


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path):
    path = filled(tmp_path / "r.sqlite", rows=300)  # so that its journal, of a few pages, is the smaller file
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    added: list[int] = []

    def fill(kept: Store) -> None:
        for seed in range(300, 2000):
            kept.add(key(seed), {"score": 1.5})
            added.append(seed)

    with Store(path) as kept:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
        try:
            with pytest.raises(MarketError) as caught:
                fill(kept)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    one_sentence(caught, path)
    with Store(path) as kept:
        assert kept.find(key(added[-1])) == {"score": 1.5}
        kept.add(key(added[-1] + 1), {"score": 1.5})


def test_a_file_that_another_process_holds_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "PATIENCE_S", 0.05)
    path = filled(tmp_path / "r.sqlite")
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MarketError) as caught:
        Store(path)
    assert "another process holds it" in one_sentence(caught, path)
    holder.rollback()
    with Store(path) as kept:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(MarketError) as caught:
            kept.add(key(1), {"score": 1.0})
    assert "another process holds it" in one_sentence(caught, path)
    holder.close()


def test_a_damaged_page_is_said(tmp_path):
    path = filled(tmp_path / "r.sqlite", rows=300)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with Store(path) as kept:
        with pytest.raises(MarketError) as caught:
            kept.find(key(1))
        assert "move it away to begin anew" in one_sentence(caught, path)


ADD = """
import sys
from pathlib import Path
from adarena.benchmarks.comparison.store import KEY, Store
with Store(Path(sys.argv[1])) as kept:
    for seed in range(150):
        case = {"seed": seed, "campaign": int(sys.argv[2]) * (seed % 2)}
        kept.add({name: name for name in KEY} | {"case": case}, {"score": float(sys.argv[2])})
"""


def test_two_processes_at_once_keep_every_row(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    path = tmp_path / "r.sqlite"
    line = [sys.executable, "-c", ADD, str(path)]
    both = [subprocess.Popen([*line, number], env=environment, stderr=subprocess.PIPE, text=True) for number in "12"]
    assert [(process.wait(timeout=120), process.stderr.read()) for process in both] == [(0, "")] * 2
    for process in both:
        process.stderr.close()
    assert kept(path) == 75 + 150  # even seeds are of both, odd ones of each


def test_every_seed_of_a_split_fits(tmp_path):
    last = SPLITS["test"].stop - 1
    with Store(tmp_path / "r.sqlite") as kept:
        for seed in (last, 2**63 - 1):
            kept.add(key(seed), {"score": 1.5})
            assert kept.find(key(seed)) == {"score": 1.5}
