"""The package without PyTorch and what else learning needs: markets run, classics are compared, and what needs them says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "stable_baselines3", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from adarena.__main__ import main
for words in WORDS:
    sys.argv = ["adarena", *words]
    try:
        main()
    except SystemExit as stop:
        print("status", stop.code)
"""
QUICK = ("--scenario", "tiny", "--seeds", "2", "--out", "bench")


def told(folder: Path, *commands: tuple[str, ...], before: str = "") -> subprocess.CompletedProcess[str]:
    """What a process prints that runs commands one after another, and has none of those modules; `before` is run first."""
    code = f"WORDS = {commands!r}\n{BLOCKED.replace('for words in', f'{before}for words in')}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)


def test_markets_run_and_classics_are_compared(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        ("simulate", "--scenario", "tiny", "--bidder", "zoo:bidding-ppo", "--out", "day"),
        ("bench", "bidding", *QUICK, "--policies", "pid", "fixed", "zoo:bidding-ppo"),
        ("list", "policies"), ("list", "environments"), ("list", "suites"), ("list", "agents"),
        ("evaluate", "zoo:bidding-ppo", "--days", "2", "--scenario", "tiny"),
    )  # fmt: skip
    assert "status" not in found.stdout, found.stderr
    assert (tmp_path / "bench" / "summary.json").is_file()
    assert "zoo:bidding-ppo-0" in found.stdout
    assert "Traceback" not in found.stderr


def test_checks_and_logs_need_none_of_it(tmp_path: Path) -> None:
    """Of checks against theory those on rankers are left out, and the reader is told."""
    code = (
        "from adarena.benchmarks import theory\n"
        "kept = {'25 lead chain': theory.CHECKS['25 lead chain'], '31 ceilings': theory.CHECKS['31 ceilings']}\n"
        "theory.CHECKS = kept\n"
    )
    commands = (
        ("simulate", "--scenario", "tiny", "--journal", "--out", "day", "--no-figure"),
        ("rank", "eda", "--log", "day/journal"), ("theory",),
    )  # fmt: skip
    found = told(tmp_path, *commands, before=code)
    assert "status 2" not in found.stdout, found.stderr
    assert "left out for want of PyTorch (pip install 'adarena[rl]'): 31 ceilings" in " ".join(found.stdout.split())
    assert (tmp_path / "out" / "rank" / "eda.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "adarena: training needs torch and stable_baselines3, which are not installed: pip install 'adarena[rl]'"),
        (("list", "models"), "adarena: this needs torch, which is not installed: pip install 'adarena[rl]'"),
    ],
)
def test_what_needs_them_names_the_extra(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    found = told(tmp_path, words)
    assert found.stdout == "status 2\n"
    assert found.stderr.strip().splitlines() == [said]
