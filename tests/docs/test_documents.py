"""Every block of code in README and docs works: Python runs and is in shape, commands are such as the command line takes."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from documents import KINDS, Block, blocks, commands, pages, parsed
from places import ROOT

import adarena
from adarena.benchmarks.live.recording import Recording
from adarena.simulator import Logs, Scenario, World

SHELL = {"curl", "make", "pip", "python", "ray", "source"}  # programs other than adarena that pages call
TUTORIALS = ROOT / "docs" / "tutorials"
BY_ITSELF = {  # a block that starts a cluster, and the test that plays the same on one that tests share
    "from adarena.simulator.shards.actors import Actors": "tests/simulator/shards/test_actors.py",
}


def of(kind: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page) if block.kind == kind]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    found = {block.kind for page in pages() for block in blocks(page)}
    assert found <= KINDS
    assert {"python", "console", "yaml"} <= found


def journal(names: dict[str, Any]) -> None:
    """What docs/journal.md reads: a folder with a journal in it."""
    import duckdb
    import polars

    World(Scenario.preset("tiny"), journal=Logs("folder", features=True)).run()
    names.update(pandas=pandas, polars=polars, duckdb=duckdb)


def session(names: dict[str, Any]) -> None:
    """What docs/live.md reads: a recording of what was done on a live page."""
    Path("session.yaml").write_text(Recording(Scenario.named("tiny"), 0, {"bidding": "pid"}, ()).to_yaml())


BEFORE = {"docs/journal.md": journal, "docs/live.md": session}  # what a page takes for granted


@pytest.mark.parametrize("page", [p for p in pages() if TUTORIALS not in p.parents], ids=lambda p: str(p.relative_to(ROOT)))
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page one after the other, as a reader would type them; tutorials have a test of their own."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    BEFORE.get(str(page.relative_to(ROOT)), dict)(*([names] if str(page.relative_to(ROOT)) in BEFORE else []))
    for block in blocks(page):
        if block.kind != "python":
            continue
        elsewhere = [test for line, test in BY_ITSELF.items() if line in block.text]
        if elsewhere:
            assert (ROOT / elsewhere[0]).exists()
            continue
        exec(compile("\n" * block.line + block.text, str(page), "exec"), names)


@pytest.mark.parametrize("block", of("pycon"), ids=lambda block: block.name)
def test_sessions_print_what_they_say(block: Block) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, block.name, str(block.page), block.line)
    assert len(test.examples) >= 3
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_python_is_in_shape(tmp_path: Path) -> None:
    for n, block in enumerate(of("python")):
        (tmp_path / f"block{n}.py").write_text(block.text)
    ruff = [sys.executable, "-m", "ruff"]
    done = subprocess.run(
        [*ruff, "format", "--config", str(ROOT / "pyproject.toml"), "--diff", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_yaml_is_a_market(tmp_path: Path) -> None:
    for block in of("yaml"):
        (path := tmp_path / "market.yaml").write_text(block.text)
        assert Scenario.load(path).name


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_are_taken(page: Path) -> None:
    for block in blocks(page):
        for words in commands(block) if block.kind == "console" else []:
            if words[0] == "adarena":
                parsed([w.replace("...", "out/x") for w in words[1:]], f"{block.name}: {' '.join(words)}")
            else:
                assert words[0] in SHELL, block.name
                if words[0] == "make":
                    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), block.name


def test_a_wrong_command_is_noticed() -> None:
    with pytest.raises(pytest.fail.Exception, match="a page is not taken"):
        parsed(["bench", "bidding", "--sedes", "3"], "a page")


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_a_citation_is_of_this_version() -> None:
    """By the schema of CFF 1.2.0: what is required, and no other names at the top."""
    held = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(held)
    assert set(held) <= {
        "cff-version", "message", "title", "authors", "abstract", "type", "version", "license", "keywords", "date-released",
        "repository-code", "url", "doi", "identifiers", "references", "contact", "preferred-citation",
    }  # fmt: skip
    assert (held["cff-version"], held["type"], held["license"]) == ("1.2.0", "software", "Apache-2.0")
    assert held["version"] == adarena.__version__
    assert held["authors"] == [{"name": "The AdArena developers"}]
    assert all(isinstance(word, str) for word in held["keywords"])
