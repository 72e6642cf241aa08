"""What commands leave in a folder: of one run, all or nothing, and one sentence when the machine fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from notices import besides_compiling
from places import ROOT

BENCH = ("bench", "bidding", "--policies", "fixed", "--scenario", "tiny", "--seeds", "2", "--out", "b")
WRITTEN = {"summary.json", "policies.png", "policies.svg", "spending.png", "spending.svg", "report.html"}


def adarena(folder: Path, *words: str, room: int = -1, out: int = subprocess.PIPE) -> tuple[int, str, str]:
    """Runs a command where files of more than `room` bytes are refused; returns exit status, output and errors."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, -1))\nfrom adarena.__main__ import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        cwd=folder,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout or "", besides_compiling(done.stderr)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_simulate_leaves_the_pictures_of_one_run(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for name in ("day.png", "delivery.png", "users.png", "leads.png", "mine.png"):
        (tmp_path / "here" / name).write_text("old")
    simulate = ("simulate", "--scenario", "tiny", "--out", "here")
    assert adarena(tmp_path, *simulate)[0] == 0
    assert set(contents(tmp_path / "here")) == {"day.png", "mine.png"}
    assert adarena(tmp_path, *simulate, "--journal", "--no-figure")[0] == 0
    assert set(contents(tmp_path / "here")) == {"mine.png"}  # pictures of another seed would stand beside the journal
    status, _, error = adarena(tmp_path, *simulate, "--seed", "1")
    assert status == 2
    assert error == (
        "adarena: 'here/journal' holds the journal of an earlier run: "
        "write it anew with --journal, remove it, or choose another --out\n"
    )
    assert adarena(tmp_path, *simulate, "--seed", "1", "--journal")[0] == 0
    assert set(contents(tmp_path / "here")) == {"mine.png", "day.png"}


def test_a_full_disk_leaves_the_files_of_the_earlier_run_and_says_so(tmp_path: Path) -> None:
    assert adarena(tmp_path, *BENCH)[0] == 0
    before = contents(tmp_path / "b")
    assert set(before) == WRITTEN | {"results.sqlite"}
    sizes = {name: len(content) for name, content in before.items()}
    for room in (sizes["results.sqlite"] + 5_000, max(sizes.values()) - 1):  # the store has its rows; not all files have room
        status, _, error = adarena(tmp_path, *BENCH, room=room)
        assert (status, error.count("\n")) == (2, 1), error
        assert error.startswith("adarena: cannot write 'b/")
        assert error.endswith(": File too large\n")
        left = contents(tmp_path / "b")
        assert left.keys() == before.keys()
        assert all(left[name] == before[name] for name in WRITTEN)
    status, _, error = adarena(tmp_path, "simulate", "--scenario", "tiny", "--out", "s", room=1000)
    assert (status, error) == (2, "adarena: cannot write 's/day.png': File too large\n")
    assert contents(tmp_path / "s") == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_output_that_cannot_be_printed_is_one_sentence(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        status, _, error = adarena(tmp_path, "simulate", "--scenario", "tiny", "--no-figure", out=full.fileno())
    assert (status, error) == (2, "adarena: the output cannot be written: No space left on device\n")


def test_a_reader_who_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        _, _, error = adarena(tmp_path, "simulate", "--scenario", "tiny", "--no-figure", out=write)
    finally:
        os.close(write)
    assert error == ""
