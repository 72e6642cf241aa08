"""The package: what is shipped is what stands in the folders, arrows run one way, and importing is light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

FOLDERS = ("simulator", "agents", "envs", "benchmarks")
# What each folder may import of the others; the root's files may import all.
MAY_IMPORT = {
    "simulator": set(),
    "agents": {"simulator"},
    "envs": {"simulator", "agents"},
    "benchmarks": {"simulator", "agents", "envs"},
}
HEAVY = ("torch", "matplotlib", "seaborn", "pandas", "stable_baselines3", "tyro", "rich", "pyarrow.dataset")


def sources(folder: str) -> list[Path]:
    """The Python files of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top folders of this package that a file imports, anywhere in it, relatively or by name."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.ImportFrom):
            stem = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                stem = package[: len(package) - node.level + 1] + stem
            elif stem[:1] == ("adarena",):
                stem = stem[1:]
            else:
                continue
            names = [stem] if stem else [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "adarena"]
        found |= {name[0] for name in names if name}
    return found & set(FOLDERS)


def test_the_package_list_names_every_folder_with_code() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(("adarena", *init.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert set(listed) == {"adarena"} | folders
    assert len(listed) == len(set(listed))


def test_every_python_file_lies_in_a_package() -> None:
    """A file beside no `__init__.py` would not be shipped; one at the root other than these two would be, by accident."""
    for folder in FOLDERS:
        for path in sources(folder):
            assert (path.parent / "__init__.py").exists(), path
    assert {path.name for path in ROOT.glob("*.py")} <= {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_arrows_run_one_way(folder: str) -> None:
    for path in sources(folder):
        assert imported(path) <= MAY_IMPORT[folder] | {folder}, path


def test_imports_inside_are_relative() -> None:
    for folder in FOLDERS:
        for path in sources(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    assert (node.module or "").split(".")[0] != "adarena", path
                if isinstance(node, ast.Import):
                    assert all(alias.name.split(".")[0] != "adarena" for alias in node.names), path


def modules_after(statement: str) -> set[str]:
    """The modules a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_simulator_is_light() -> None:
    held = modules_after("import adarena.simulator")
    assert not held & set(HEAVY)
    assert not any(name.startswith(("adarena.agents", "adarena.envs", "adarena.benchmarks")) for name in held)


def test_importing_the_package_imports_nothing_heavy() -> None:
    held = modules_after("import adarena")
    assert not held & {*HEAVY, "numba", "scipy", "simpy", "pydantic", "pyarrow"}
    assert not any(name.startswith("adarena.") for name in held)


def test_a_run_without_figures_imports_no_plotting() -> None:
    run = "from adarena.simulator import Scenario, World; w = World(Scenario.preset('tiny')); w.run()"
    assert not modules_after(run) & {"torch", "matplotlib", "seaborn", "pandas"}
