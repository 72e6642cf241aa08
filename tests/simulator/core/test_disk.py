"""Files are written whole or not at all, several of them together, and a machine that fails is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from adarena.simulator import MarketError, Scenario
from adarena.simulator.core.disk import write, write_together
from adarena.simulator.core.errors import ScenarioError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_take_their_names_together_and_stale_ones_go(tmp_path: Path) -> None:
    for name in ("a", "stale", "own"):
        (tmp_path / name).write_text("old")
    write_together({tmp_path / "a": "ä", tmp_path / "b": b"b"}, stale=[tmp_path / n for n in ("a", "b", "stale", "never")])
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"a": "ä", "b": "b", "own": "old"}


@pytest.mark.parametrize("wrong", ["folder", "missing/b", "a-file/b", "n" * 300])
def test_all_or_none_is_written(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a", "a-file", "stale"):
        (tmp_path / name).write_text("old")
    before = names(tmp_path)
    with pytest.raises(
        MarketError, match=r"^cannot write '.*': (Is a directory|No such file|Not a directory|File name too long)"
    ):
        write_together({tmp_path / "a": "new", tmp_path / wrong: "new"}, stale=[tmp_path / "stale"])
    assert names(tmp_path) == before
    assert (tmp_path / "a").read_text() == "old"


def test_a_link_is_followed_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    write(tmp_path / "link", "content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "content"
    assert write("/dev/null", "content") == Path("/dev/null")
    with pytest.raises(MarketError, match=r"^cannot write '/dev/full': No space left on device$"):
        write("/dev/full", "content")


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    assert write(tmp_path / ("n" * 255), "content").read_text() == "content"


def test_a_new_file_may_be_read_by_whom_others_may_be(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_scenario_that_cannot_be_saved_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"^cannot write '.*': Is a directory$"):
        Scenario.preset("tiny").save(tmp_path)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from matplotlib.figure import Figure
from adarena.benchmarks.comparison.report import as_json
from adarena.benchmarks.output import figures as drawing
from adarena.simulator.core.disk import write
from adarena.simulator import Scenario
from adarena.simulator.core.errors import AdArenaError
folder = Path(sys.argv[1])
with drawing.style():
    figure = drawing.Picture()
    figure.subplots().plot(range(9))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
for deed in (
    lambda: Scenario.preset("tiny").save(folder / "a.yaml"),
    lambda: write(folder / "a.json", as_json(list(range(99)))),
    lambda: drawing.save(figure, folder / "a.png"),
    lambda: drawing.save(figure, folder / "a.svg"),
):
    try:
        deed()
    except AdArenaError as error:
        print(type(error).__name__, error)
"""


def test_a_full_disk_is_one_sentence_and_leaves_what_stood_there(tmp_path: Path) -> None:
    for kind in ("yaml", "json", "png", "svg"):
        (tmp_path / f"a.{kind}").write_text("old")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    kinds = [("ScenarioError", "yaml"), ("MarketError", "json"), ("MarketError", "png"), ("MarketError", "svg")]
    assert done.stdout.splitlines() == [
        f"{error} cannot write {str(tmp_path / f'a.{kind}')!r}: File too large" for error, kind in kinds
    ]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {f"a.{kind}": "old" for _, kind in kinds}
