"""The tutorials run as they stand, one block after the other, but for sizes: fewer steps of training, fewer test days."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import Block, blocks, commands
from places import ROOT

from adarena.__main__ import main

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
SMALLER = (  # what a page says, and what is run of it here
    (r"^bench bidding(.*)", r"bench bidding\1 --set traffic.requests_per_day=3000 demand.campaigns=12"),
    (r"--timesteps \d+", "--timesteps 50 --set envs=2 group=2 n_steps=50 batch_size=50"),
    (r"--seeds \d+", "--seeds 2"),
    (r"^simulate bidding-small(.*)", r"simulate bidding-small\1 --set traffic.requests_per_day=5000"),
)


def shell(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the commands of a console."""
    for words in commands(block):
        assert words[0] == "adarena", block.name
        line = "\0".join(words[1:])
        for said, done in SMALLER:
            line = re.sub(said.replace(" ", "\0"), done.replace(" ", "\0"), line)
        monkeypatch.setattr(sys, "argv", ["adarena", *line.split("\0")])
        main()


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that begins with the name of a file is that file."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    ran = set()
    for block in blocks(page):
        ran.add(block.kind)
        if named := re.match(r"# (\w+\.(?:py|yaml))\n", block.text):
            Path(named[1]).write_text(block.text)
        elif block.kind == "console":
            shell(block, monkeypatch)
        else:
            assert block.kind == "python", block.name
            text = block.text.replace("range(20)", "range(2)")
            exec(compile("\n" * block.line + text, str(page), "exec"), names)
    assert {"python", "console"} <= ran
    if page.stem == "first_agent":
        assert (tmp_path / "out/first-bench/report.html").exists()
    if page.stem == "own_market":
        assert (tmp_path / "out/bakery/day.png").exists()
        assert names["spent"][True].sum() > names["spent"][False].sum()
    if page.stem == "log_to_bidder":
        low, *_, high = names["tenths"][["believed_rate", "clicked"]].mean().to_numpy()
        assert (low < high).all()


def test_there_are_three() -> None:
    assert [page.stem for page in TUTORIALS] == ["first_agent", "log_to_bidder", "own_market"]


def test_every_size_is_made_smaller_somewhere() -> None:
    lines = [" ".join(words[1:]) for page in TUTORIALS for block in blocks(page) for words in commands(block)]
    for said, _ in SMALLER:
        assert any(re.search(said, line) for line in lines), said
