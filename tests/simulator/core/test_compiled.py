"""The cache of compiled code: every edit that changes it changes the folder, and a folder that fails is no traceback."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from numba.core.compiler import Flags
from numba.core.dispatcher import Dispatcher
from places import ROOT

from adarena.simulator.core import compiled

SOURCES = sorted(path for folder in ("simulator", "agents") for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> types.ModuleType:
    names = path.relative_to(ROOT).with_suffix("").parts
    return importlib.import_module(".".join(("adarena", *names)).removesuffix(".__init__"))


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of what stands inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def origins(path: Path, name: str) -> set[Path]:
    """The files where a module's name gets its value: where it is written, and where what is written there gets its own."""
    found: set[Path] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    module = base / f"{alias.name}.py"  # itself, or one where the name is found
                    within = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
                    found |= {module} if module.exists() else origins(within, alias.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(n, ast.Name) and n.id == name for target in targets for n in ast.walk(target)):
                found.add(path)
                for n in ast.walk(node.value):
                    if isinstance(n, ast.Name) and n.id != name:
                        found |= origins(path, n.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            found.add(path)
    return found


def layouts(hint: Any) -> set[type]:
    """The named tuples in a type, and in theirs."""
    found = {hint} if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields") else set()
    inside = [*typing.get_args(hint), *(typing.get_type_hints(hint).values() if found else ())]
    return found.union(*map(layouts, inside))


def depended_on() -> dict[Path, set[str]]:
    """Files of this package on which compiled functions depend, with who depends on it for what."""
    found: dict[Path, set[str]] = {}
    for path in SOURCES:
        module = module_of(path)
        for function in vars(module).values():
            if not isinstance(function, Dispatcher) or function.__module__ != module.__name__:
                continue
            who, names = function.py_func, set()
            for code in codes(who.__code__):
                names.update(code.co_names)
            used = {path}
            for name in names & set(who.__globals__):
                value = who.__globals__[name]
                used |= origins(path, name)
                if isinstance(value, types.ModuleType) and value.__name__.startswith("adarena."):
                    for part in names & set(vars(value)):
                        used |= origins(path_of(value.__name__), part)
                elif isinstance(value, type) and issubclass(value, Enum):
                    used.add(path_of(value.__module__))
            hints = typing.get_type_hints(who)
            used |= {path_of(kind.__module__) for hint in hints.values() for kind in layouts(hint)}
            for source in used:
                found.setdefault(source, set()).add(f"{module.__name__}.{who.__name__}")
    return found


DEPENDED_ON = depended_on()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, to be edited."""
    root = tmp_path_factory.mktemp("package")
    for folder in ("simulator", "agents"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def digest_after_an_edit(copy: Path, path: Path) -> str:
    edited = copy / path.relative_to(ROOT)
    before = edited.read_bytes()
    edited.write_bytes(before + b"\n")
    try:
        return compiled.digest(copy)
    finally:
        edited.write_bytes(before)


def test_what_compiled_code_depends_on_is_found() -> None:
    """Else the next test would hold of nothing."""
    assert len(DEPENDED_ON) > 25
    assert any("seats.bidding" in who for who in DEPENDED_ON[ROOT / "simulator" / "core" / "money.py"])
    assert ROOT / "simulator" / "seats" / "bidding" / "vectors.py" in DEPENDED_ON


@pytest.mark.parametrize("path", sorted(DEPENDED_ON), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_edit_to_what_compiled_code_depends_on_changes_the_folder(copy: Path, path: Path) -> None:
    assert digest_after_an_edit(copy, path) != compiled.digest(copy), DEPENDED_ON[path]


def test_an_edit_to_what_it_does_not_depend_on_costs_no_compilation(copy: Path) -> None:
    """Of the files people edit most, all at once."""
    free = [
        copy / f"{name}.py"
        for name in (
            "simulator/world", "simulator/scenario/tree", "simulator/scenario/presets", "simulator/engine/exchange",
            "simulator/engine/engines", "simulator/books/journal", "simulator/core/errors", "agents/catalogue",
            "agents/bidding/pid", "agents/learning/training",
        )
    ]  # fmt: skip
    before, found = {path: path.read_bytes() for path in free}, compiled.digest(copy)
    try:
        for path, text in before.items():
            path.write_bytes(text + b"\n")
        assert compiled.digest(copy) == found
    finally:
        for path, text in before.items():
            path.write_bytes(text)


def test_the_folder_is_that_of_these_sources() -> None:
    assert compiled.cache_directory().name == compiled.digest(ROOT)


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setitem(compiled.OPTIONS, "error_model", "python"),
        lambda patch: patch.setitem(compiled.OPTIONS, "boundscheck", True),
        lambda patch: patch.delitem(compiled.OPTIONS, "_nrt"),
        lambda patch: patch.setattr(compiled.numba, "__version__", "0"),
        lambda patch: patch.setattr(compiled.llvmlite, "__version__", "0"),
        lambda patch: patch.setattr(compiled.np, "__version__", "0"),
        lambda patch: patch.setattr(compiled.sys, "version", "3.99"),
        *(lambda patch, name=name: patch.setattr(compiled.config, name, "other") for name in compiled.FLAGS),
    ],
)
def test_what_compiles_it_changes_the_folder(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled.digest(ROOT)
    change(monkeypatch)
    assert compiled.digest(ROOT) != before


def said(code: str, cache: Path) -> str:
    """What a fresh interpreter with that cache prints, warnings among it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings"), "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


DRAW = """
import numpy as np
from adarena.simulator.core.chance import stream_keys, uniforms
out = np.zeros(3); uniforms(stream_keys(0)[0], 0, 3, 0, out); print((0 < out).all() and (out < 1).all())
"""


def test_where_nothing_can_be_kept_it_says_so_and_works(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    beside = set(ROOT.rglob("*.nbi"))
    out = said(DRAW, taken)
    assert "True" in out
    assert out.count("RuntimeWarning: compiled code cannot be kept in ") == 1
    assert "Not a directory" in out
    assert set(ROOT.rglob("*.nbi")) == beside


def test_a_full_disk_keeps_nothing_says_so_and_works(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))"
    out = said(limit + DRAW, tmp_path)
    assert "True" in out
    assert "RuntimeWarning: compiled code cannot be kept in " in out
    assert "File too large" in out
    assert not [path for path in tmp_path.rglob("*.nb*") if path.stat().st_size == 1000]
    assert "Warning" not in said(DRAW, tmp_path)


TELL = """
from adarena.simulator.core import compiled
compiled.PATIENCE_S = 0.02
"""
WORKER = """
import multiprocessing
from adarena.simulator.core import compiled
def work():
{}
if __name__ == "__main__":
    process = multiprocessing.get_context({!r}).Process(target=work)
    process.start(); process.join(); print(process.exitcode)
"""


def test_compiling_says_so_once_and_only_where_it_compiles(tmp_path: Path) -> None:
    cold = said(TELL + DRAW + "from adarena.simulator.core.chance import alias_table; alias_table(out + 1)", tmp_path)
    assert cold.splitlines() == [
        "adarena: compiling for this machine; this takes up to a minute, and is kept for later runs; see `adarena warm`",
        "True",
    ]
    assert said(TELL + DRAW, tmp_path) == "True\n"


def test_compiling_what_cannot_be_kept_does_not_say_it_is(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    out = said(TELL + DRAW, tmp_path / "taken")
    assert out.count("adarena: compiling for this machine; this takes up to a minute\n") == 1


def test_patience_is_with_all_that_a_process_compiles(tmp_path: Path) -> None:
    """Many small kernels are as long as one large."""
    out = said(TELL.replace("0.02", "9") + "compiled._notice._spent = 9.0" + DRAW, tmp_path)
    assert out.startswith("adarena: compiling for this machine")


def test_what_compiles_quickly_is_compiled_in_silence(tmp_path: Path) -> None:
    assert said(TELL.replace("0.02", "60") + DRAW, tmp_path) == "True\n"


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_workers_say_nothing(method: str, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORKER.format(textwrap.indent(TELL + DRAW, "    "), method))
    out = said(f"import runpy; runpy.run_path({str(tmp_path / 'work.py')!r}, run_name='__main__')", tmp_path / "cache")
    assert out.splitlines() == ["True", "0"]


SIGNATURES = """
import importlib, pkgutil
import numpy as np
import adarena, gymnasium
from numba.core.dispatcher import Dispatcher
from adarena.simulator import Logs, Scenario, World
from adarena.agents.bidding import PID
env = gymnasium.make("AdArena/Bidding-v0", scenario="tiny")
env.reset(seed=0)
env.step(np.zeros(1, np.float32))
for record in (None, 0):
    World(Scenario.named("tiny"), {"bidding": PID()}, record=record).run()
for name in ("simulator", "agents"):
    folder = importlib.import_module(f"adarena.{name}")
    for module in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if isinstance(one, Dispatcher) and hasattr(one._cache, "save_overload") and one.__module__ == module.name:
                if not one.targetoptions.get("forceinline") and len(one.signatures) > 1:
                    print(module.name, name, *one.signatures, sep="\\n  ")
print("looked")
"""


def test_a_market_needs_one_signature_of_each_kernel() -> None:
    """Each is compiled anew for read-only arrays, or other types of numbers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".typings")}
    done = subprocess.run([sys.executable, "-c", SIGNATURES], env=environment, capture_output=True, text=True, timeout=600)
    assert (done.stdout, done.returncode) == ("looked\n", 0), done.stderr


def test_flags_are_the_same_where_all_of_their_options_are() -> None:
    """Whatever was set, and whatever was left at its default; as Numba's own comparison says."""
    changes: list[dict[str, Any]] = [
        {}, {"nrt": True}, {"nrt": False}, {"nrt": True, "boundscheck": True}, {"boundscheck": True, "nrt": True},
        {"forceinline": True}, {"inline": "always"},
    ]  # fmt: skip
    made = []
    for change in changes:
        flags = Flags()
        for name, value in change.items():
            setattr(flags, name, value)
        made.append(flags)
    for one in made:
        for other in made:
            assert (one == other) == (one.values() == other.values())
            assert one != other or hash(one) == hash(other)
    assert len(set(made)) == 5
    assert made[0] != 1
