"""The folder of a journal: the files of one run, one writer at a time, and nothing half-written when the machine fails."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from places import ROOT

from adarena.simulator import Logs, MarketError, Scenario, World
from adarena.simulator.books.schemas import SCHEMAS
from adarena.simulator.core.disk import Claim

ALWAYS = ("requests", "impressions", "truth", "events", "charges", "campaigns", "ads")
WITH_A_FUNNEL: dict[str, Any] = {
    "funnel": {"levels": [{"recall": 5, "rough": 4, "fine": 3}]}, "traffic.requests_per_day": 500,
}  # fmt: skip
SMALL = Scenario.preset("tiny").override({"traffic.requests_per_day": 500})
# What a fresh interpreter does first.
PRELUDE = """
import os, resource, sys, time
from pathlib import Path
from adarena.simulator import Logs, MarketError, Scenario, World
from adarena.simulator.core.errors import AdArenaError
tiny = Scenario.preset("tiny")
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A fresh interpreter that runs some lines after `PRELUDE`."""
    command = [sys.executable, "-c", PRELUDE + code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(code: str, *arguments: object) -> str:
    """What such an interpreter prints; it must come to a good end."""
    with python(code, *arguments) as process:
        out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(*logs: str) -> set[str]:
    return {"scenario.yaml", "run.json", *(f"{name}.parquet" for name in logs)}


def half(folder: Path, **more: Any) -> World:
    """A world that has begun to write."""
    world = World(SMALL, journal=folder, **more)
    world.run(world.scenario.horizon_us // 2)
    return world


# One run


def test_a_second_journal_leaves_no_file_of_the_first(tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny").override(WITH_A_FUNNEL | {"content": {}, "creatives": {}})
    World(scenario, seed=0, journal=Logs(tmp_path, features=True, candidates=1.0)).run()
    assert names(tmp_path) == files(*SCHEMAS)
    (tmp_path / "notes.parquet").write_text("my own")
    World(scenario, seed=1, journal=tmp_path).run()
    assert names(tmp_path) == files(*ALWAYS, "creatives") | {"notes.parquet"}
    World(scenario, seed=1, journal=tmp_path / "alone").run()
    for name in ALWAYS:
        pd.testing.assert_frame_equal(
            *(pq.read_table(p / f"{name}.parquet").to_pandas() for p in (tmp_path, tmp_path / "alone"))
        )


def test_a_file_of_the_users_own_under_a_name_of_ours_is_not_removed(tmp_path: Path) -> None:
    own = tmp_path / "features.parquet"
    pd.DataFrame({"mine": [1, 2]}).to_parquet(own)
    with pytest.raises(MarketError, match=r"features\.parquet' is no log of this version, .* move it away$"):
        World(SMALL, journal=tmp_path)
    own.unlink()
    world = half(tmp_path)
    own.write_text("while it ran")
    world.run()
    assert names(tmp_path) == files(*ALWAYS, "features")
    assert own.read_text() == "while it ran"


@pytest.mark.parametrize("end", ["dropped", "closed"])
def test_one_world_at_a_time_writes_a_folder(tmp_path: Path, end: str) -> None:
    first = half(tmp_path)
    with pytest.raises(MarketError, match=r"^another world is writing its journal to '"):
        World(SMALL, seed=1, journal=tmp_path)
    late = World(SMALL, seed=1, journal=tmp_path / "other")
    assert late.journal is not None
    late.journal.folder = tmp_path
    with pytest.raises(MarketError, match="another world is writing"):
        late.run()
    if end == "closed":
        assert first.journal is not None
        first.journal.close()
    del first
    second = World(SMALL, seed=1, journal=tmp_path)
    second.run()
    assert names(tmp_path) - {"other"} == files(*ALWAYS)
    assert len(pq.read_table(tmp_path / "requests.parquet")) == second.played


def test_worlds_of_other_processes_are_refused_until_they_are_killed(tmp_path: Path) -> None:
    writing = (
        "world = World(tiny, journal=sys.argv[1]); world.run(tiny.horizon_us // 2); print('begun', flush=True); time.sleep(300)"
    )
    with python(writing, tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(MarketError, match="another world is writing"):
            World(SMALL, journal=tmp_path)
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert Claim.NAME in names(tmp_path)
    World(SMALL, journal=tmp_path).run()
    assert names(tmp_path) == files(*ALWAYS)


def test_a_world_that_does_not_run_leaves_nothing(tmp_path: Path) -> None:
    world = World(SMALL, journal=tmp_path)
    assert names(tmp_path) == set()
    again = World(SMALL, journal=tmp_path)
    again.run()
    world.run()
    assert names(tmp_path) == files(*ALWAYS)


@pytest.mark.parametrize("ending", ["", "raise KeyboardInterrupt", "os.kill(os.getpid(), 2)", "sys.exit(3)"])
def test_a_program_that_ends_before_the_run_does_leaves_nothing(tmp_path: Path, ending: str) -> None:
    code = (
        f"world = World(tiny, journal=sys.argv[1]); world.run(tiny.horizon_us // 2); print(os.listdir(sys.argv[1]))\n{ending}"
    )
    with python(code, tmp_path) as process:
        out, _ = process.communicate(timeout=300)
    assert "requests.parquet.part" in out
    assert names(tmp_path) == set()


def test_a_world_that_is_dropped_leaves_nothing_and_what_stood_there_stands(tmp_path: Path) -> None:
    World(SMALL, journal=tmp_path).run()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    world = half(tmp_path, seed=1)
    assert len(names(tmp_path)) > len(before)
    del world
    gc.collect()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_leaves_the_journal_alone(tmp_path: Path) -> None:
    code = """
world = World(tiny, journal=sys.argv[1]); world.run(tiny.horizon_us // 2)
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
world.run(); print(sorted(os.listdir(sys.argv[1])))
"""
    assert said(code, tmp_path) == f"{sorted(files(*ALWAYS))}\n"


def test_a_journal_interrupted_as_it_writes_says_so_and_is_not_taken_up(tmp_path: Path, monkeypatch: Any) -> None:
    world = half(tmp_path)
    assert world.journal is not None
    with monkeypatch.context() as patch:
        patch.setattr(world.journal, "_write_impressions", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.run()
    assert names(tmp_path) == set()
    with pytest.raises(MarketError, match="was given up"):
        world.journal.close()


def test_a_world_may_run_on_after_its_journal_is_closed(tmp_path: Path) -> None:
    """Through more rows than there is room for."""
    scenario = Scenario.preset("tiny").override({"traffic.requests_per_day": 90_000, "traffic.day_sigma": 0.0})
    world = World(scenario, journal=Logs(tmp_path, features=True))
    world.run(scenario.horizon_us // 24)
    assert world.journal is not None
    world.journal.close()
    rows = world.played
    world.run()
    assert world.played > 70_000 > rows
    assert len(pq.read_table(tmp_path / "requests.parquet")) == rows


# The machine


FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))  # a file of more than that is refused like a full disk
world = World(tiny.override({"traffic.requests_per_day": int(sys.argv[3])}), seed=1, journal=sys.argv[1])
for _ in range(2):
    try:
        world.run()
        print("whole")
    except AdArenaError as error:
        print(error)
"""


@pytest.mark.parametrize(("room", "requests"), [(0, 500), (1_000, 500), (6_000, 500), (20_000, 500), (1_000_000, 90_000)])
def test_a_full_disk_is_one_sentence_and_leaves_what_stood_there(tmp_path: Path, room: int, requests: int) -> None:
    World(SMALL, journal=tmp_path).run()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    first, second = said(FULL, tmp_path, room, requests).splitlines()
    assert first == f"cannot write a journal to {str(tmp_path)!r}: {os.strerror(27)}"
    assert second.startswith(("the journal in ", "this world was stopped in the middle of an event"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    world = half(tmp_path / "log")
    shutil.rmtree(tmp_path / "log")
    with pytest.raises(MarketError, match=r"^cannot write a journal to '.*log': No such file or directory$"):
        world.run()


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"^cannot write a journal to '.*': File name too long$"):
        World(SMALL, journal=tmp_path / ("n" * 300))


def test_locks_that_the_file_system_does_not_have_are_one_sentence(tmp_path: Path, monkeypatch: Any) -> None:
    def none(*_: Any) -> None:
        raise OSError(95, "")

    monkeypatch.setattr("adarena.simulator.core.disk._lock", none)
    with pytest.raises(MarketError, match=rf"^cannot write a journal to '.*': {os.strerror(95)}$"):
        World(SMALL, journal=tmp_path)
