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
# The floors of each folder, from the ground up, folders and files: none imports of a later one.
FLOORS = {
    "simulator": (
        "core", "scenario", "population", "requests", "response", "delivery", "market", "engine", "shards", "books", "seats",
        "replay", "accounts", "controls", "world",
    ),
    "agents": (
        "splits", "parameters", "objectives", "provenance", "allocation", "bidding", "auction", "pacing", "compute",
        "creative", "ranking", "hindsight", "zoo", "learning", "rankers", "catalogue", "crowds",
    ),
    "envs": (
        "frames", "figure", "window", "shell", "given", "parts", "together", "base", "lanes", "lane_env", "allocation",
        "auction", "bid_frame", "bidding", "compute", "creative", "pacing", "ranking", "side_by_side", "parallel", "market",
        "vector",
    ),
    "benchmarks": (
        "output", "audits", "pictures", "rankers", "comparison", "scaling", "suites", "feedback", "speed", "theory", "results",
        "simulating", "evaluating", "learning_curve", "training", "commands", "servers", "servers_report", "mixes", "abtest",
        "whatif", "warming", "listing", "live", "cli",
    ),
}  # fmt: skip
HEAVY = ("torch", "matplotlib", "seaborn", "pandas", "stable_baselines3", "tyro", "rich", "pyarrow.dataset")


def sources(folder: str) -> list[Path]:
    """The Python files of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[tuple[str, ...]]:
    """The modules of this package that a file imports from, anywhere in it, as paths of names from the root."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            stem = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                stem = package[: len(package) - node.level + 1] + stem
            elif stem[:1] == ("adarena",):
                stem = stem[1:]
            else:
                continue
            found |= {(*stem, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {tuple(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "adarena"}
    return {name for name in found if name and name[0] in FOLDERS}


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
    """Between the four folders: each imports itself and those before it."""
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    for path in sources(folder):
        assert {name[0] for name in imported(path)} <= set(allowed), path


@pytest.mark.parametrize("folder", FOLDERS)
def test_floors_stand_on_those_below(folder: str) -> None:
    floors = FLOORS[folder]
    inside = {path.relative_to(ROOT / folder).parts[0].removesuffix(".py") for path in sources(folder)}
    assert inside - {"__init__"} == set(floors)
    for path in sources(folder):
        own = path.relative_to(ROOT / folder).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imported(path):
            if name[0] == folder:
                assert len(name) > 1, path
                assert name[1] in floors[: floors.index(own) + 1], (path, ".".join(name))


def test_no_module_is_imported_in_a_circle() -> None:
    """Not even inside a function, where it would not be noticed."""
    graph = {path: set() for folder in FOLDERS for path in sources(folder)}
    for path, wanted in graph.items():
        for name in imported(path):
            module, within = ROOT.joinpath(*name).with_suffix(".py"), ROOT.joinpath(*name[:-1]).with_suffix(".py")
            wanted |= {found for found in (module, within) if found in graph and found != path}
    while leaves := {path for path, wanted in graph.items() if not wanted}:
        graph = {path: wanted - leaves for path, wanted in graph.items() if path not in leaves}
    assert not graph, sorted(str(path.relative_to(ROOT)) for path in graph)


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


def test_the_market_is_at_hand_from_the_package() -> None:
    checks = "import adarena.simulator as s; assert (Scenario, World) == (s.Scenario, s.World); import adarena"
    assert not modules_after(f"from adarena import Scenario, World; {checks}") & set(HEAVY)
    modules_after("import adarena; assert {'Scenario', 'World', '__version__', 'ENVIRONMENTS'} <= set(dir(adarena))")
    modules_after("import adarena, pytest\nwith pytest.raises(AttributeError, match='Scenarios'): adarena.Scenarios")


def test_a_run_without_figures_imports_no_plotting() -> None:
    run = "from adarena.simulator import Scenario, World; w = World(Scenario.preset('tiny')); w.run()"
    assert not modules_after(run) & {"torch", "matplotlib", "seaborn", "pandas"}


def test_help_comes_at_once() -> None:
    """What commands do is imported when they are called."""
    assert not modules_after("import adarena.__main__") & {"torch", "stable_baselines3", "matplotlib", "seaborn", "pandas"}
