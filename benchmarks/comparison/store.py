"""`results.sqlite`: what has been measured is kept row by row, so that a killed comparison goes on where it stopped.

A row is found again only by the code that made it, on such a machine, with the scenario's digest, the rivals, the policy with
its sources, and the case; and only if the files that the policy was seen to read hold what they held. Each row is a
transaction of its own. Timing is stored with the row and never measured twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from llvmlite import binding

from ... import __version__
from ...agents.learning.learned import Learned
from ...agents.provenance.loading import sources_of
from ...agents.provenance.sources import unchanged
from ...agents.provenance.watching import digest
from ...simulator.core.compiled import cache_directory
from ...simulator.core.errors import MarketError

ROOT = Path(__file__).parents[2]
VERSION = 4  # of the table
PATIENCE_S = 60.0  # for another process to let the file go
# What a row is found by; `case` is JSON, `kind` is what was measured: run, trial or hindsight.
KEY = ("suite", "code", "scenario", "rivals", "policy", "source", "case", "kind")
# `numbers` is JSON, by name as the suite has them; `reads` as well: digests of files by path.
TABLE = """
CREATE TABLE IF NOT EXISTS rows (
    suite TEXT, code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, "case" TEXT, kind TEXT,
    numbers TEXT, reads TEXT,
    PRIMARY KEY (suite, code, scenario, rivals, policy, source, "case", kind)
) WITHOUT ROWID
"""
WHERE = " AND ".join(f'"{name}" = ?' for name in KEY)
# What numbers depend on: what is simulated and who decides, what suites measure, and how it is played.
SOURCES = (
    "simulator/**/*.py", "agents/**/*.py", "envs/**/*.py", "benchmarks/suites/**/*.py",
    "benchmarks/comparison/suite.py", "benchmarks/comparison/measuring.py",
)  # fmt: skip


@cache
def code_version() -> str:
    """The package's version, and a digest of all that a result depends on beside what was asked: sources and `surroundings`.

    Numba's version is among them, and what this package compiles.
    """
    whole = hashlib.blake2b(cache_directory().name.encode(), digest_size=6)
    whole.update(json.dumps(surroundings()).encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            whole.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return f"{__version__}+{whole.hexdigest()}"


def surroundings() -> list[str]:
    """What rounds the last bit: interpreter, libraries that compute, linear algebra, operating system, processor."""
    algebra = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return [
        f"{platform.python_implementation()} {platform.python_version()}",
        *(f"{name} {_version(name)}" for name in ("numpy", "numba", "llvmlite", "scipy", "simpy")),
        f"{algebra.get('name')} {algebra.get('version')}",
        f"{platform.system()} {' '.join(platform.libc_ver())} {platform.machine()} {binding.get_host_cpu_name()}",
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def source_digest(policy: object) -> str:
    """A digest of what a policy is made of beside this package; empty for one of this package that names no file.

    The modules of its class, all that they import of the user's own, versions of what they import beside, and files or folders
    that its fields name. Files that its code opens by itself are seen only when it does: see `reads`.
    """
    parts = []
    if (sources := sources_of(type(policy))) is not None:
        parts.append(sources.digest())
    if isinstance(policy, Learned):
        parts += [_version("torch"), _version("stable-baselines3")]
    if dataclasses.is_dataclass(policy):
        values = [getattr(policy, field.name) for field in dataclasses.fields(policy) if field.init]
        for named in (Path(value) for value in values if isinstance(value, (str, Path)) and str(value)):
            files = [named] if named.is_file() else sorted(path for path in named.glob("*") if path.is_file())
            parts += [digest(path) for path in files]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest() if parts else ""


def reads(policy: object) -> dict[str, str]:
    """Files that the code of a policy has read so far in this process, and digests of what they held."""
    sources = sources_of(type(policy))
    return {} if sources is None else sources.read()


class Store:
    """The rows of one file (or of memory), of any suite. The file is made with its first row."""

    def __init__(self, path: Path | None = None, *, fresh: bool = False) -> None:
        """Opens the file if it is there; None: in memory. Raises `MarketError` if it is something else.

        With `fresh`, rows of earlier are not found: those that are measured take their place.
        """
        self.path, self._fresh = path, fresh
        self._asked: set[tuple[str, ...]] = set()
        self._found: set[tuple[str, ...]] = set()
        self._added: set[tuple[str, ...]] = set()
        self._db = self._opened() if path is None or path.exists() else None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._db is not None:
            self._db.close()

    @property
    def reused(self) -> int:
        """How many rows were asked for and found, of those that were there before."""
        return len(self._found - self._added)

    @property
    def asked(self) -> int:
        """How many rows were asked for."""
        return len(self._asked)

    @property
    def added(self) -> int:
        """How many rows were added."""
        return len(self._added)

    def find(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """The numbers of the row with this key (as in `KEY`), or None; it is none if a file it read has changed."""
        place = _place(key)
        self._asked.add(place)
        if self._db is None or (self._fresh and place not in self._added):
            return None
        with self._faults():
            found = self._db.execute(f"SELECT reads, numbers FROM rows WHERE {WHERE}", place).fetchone()
        if found is None or not unchanged(json.loads(found[0])):
            return None
        self._found.add(place)
        numbers: dict[str, Any] = json.loads(found[1])
        return numbers

    def add(self, key: Mapping[str, Any], numbers: Mapping[str, Any], read: Mapping[str, str] | None = None) -> None:
        """Adds a row, all of it or nothing, with the files that it depends on. Numbers come back as they are, to the last bit.

        One that is there already and holds, such as another process's of meanwhile, stays as it is; any other makes way.
        """
        place = _place(key)
        if self._db is None:
            self._db = self._opened()
        row = (*place, json.dumps(dict(numbers)), json.dumps(dict(read or {}), sort_keys=True))
        with self._faults(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            held = self._db.execute(f"SELECT reads FROM rows WHERE {WHERE}", place).fetchone()
            if held is None or (self._fresh and place not in self._added) or not unchanged(json.loads(held[0])):
                self._db.execute(f"REPLACE INTO rows VALUES ({', '.join('?' * len(row))})", row)
        self._added.add(place)

    def _opened(self) -> sqlite3.Connection:
        with self._faults():
            opened = sqlite3.connect(self._name, timeout=PATIENCE_S)
            known = int(opened.execute("PRAGMA user_version").fetchone()[0])
            if known not in (0, VERSION):
                raise MarketError(f"{self._name!r} was written by another version of adarena; move it away to begin anew")
            if known != VERSION:
                with opened:
                    opened.execute("BEGIN IMMEDIATE")  # two processes at once: one waits, and finds it made
                    opened.execute(TABLE)
                    opened.execute(f"PRAGMA user_version = {VERSION}")
        return opened

    @property
    def _name(self) -> str:
        return ":memory:" if self.path is None else str(self.path)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns what SQLite complains of into a sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise MarketError(f"cannot keep results in {self._name!r}: another process holds it") from None
            raise MarketError(f"cannot keep results in {self._name!r}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise MarketError(f"cannot keep results in {self._name!r}: {error}; move it away to begin anew") from None


def _place(key: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a key, in the order of `KEY`."""
    return tuple(json.dumps(key[name]) if name == "case" else key[name] for name in KEY)
