"""`results.sqlite`: what has been measured is kept row by row, so that a killed comparison goes on where it stopped.

A row is found again only by the code that made it, on such a machine, with the scenario's digest, the rivals, the policy with
its sources, seed and campaign; and only if the files that the policy was seen to read hold what they held. Each row is a
transaction of its own. Timing is stored with the row and never measured twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
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
from ...simulator.seats.bidding.decisions import BidPolicy

ROOT = Path(__file__).parents[2]


VERSION = 3  # of the tables


PATIENCE_S = 60.0  # for another process to let the file go


KEY = ("code", "scenario", "rivals", "policy", "source", "seed", "campaign")


TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER, reads TEXT,
    value REAL, spend REAL, budget REAL, pacing_error REAL, conversions INTEGER, cpa_excess REAL, score REAL,
    clairvoyant REAL, frontier REAL, seconds REAL, spend_curve BLOB,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trials (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER, reads TEXT, score REAL,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hindsight (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER, reads TEXT,
    score REAL, multiplier REAL,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
"""


@cache
def code_version() -> str:
    """The package's version, and a digest of all that a result depends on beside what was asked: sources and `surroundings`.

    Numba's version is among them, and what this package compiles.
    """
    whole = hashlib.blake2b(cache_directory().name.encode(), digest_size=6)
    whole.update(json.dumps(surroundings()).encode())
    for folder in ("simulator", "agents", "envs", "benchmarks/suites"):
        for path in sorted((ROOT / folder).rglob("*.py")):
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


def source_digest(policy: BidPolicy) -> str:
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


def reads(policy: BidPolicy) -> dict[str, str]:
    """Files that the code of a policy has read so far in this process, and digests of what they held."""
    sources = sources_of(type(policy))
    return {} if sources is None else sources.read()


class Store:
    """The three tables, runs, trials and hindsight, of one file (or of memory). The file is made with its first row."""

    def __init__(self, path: Path | None = None, *, fresh: bool = False) -> None:
        """Opens the file if it is there; None: in memory. Raises `MarketError` if it is something else.

        With `fresh`, rows of earlier are not found: those that are measured take their place.
        """
        self.path, self._fresh = path, fresh
        self._asked: set[tuple[Any, ...]] = set()
        self._found: set[tuple[Any, ...]] = set()
        self._added: set[tuple[Any, ...]] = set()
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

    def find(self, table: str, key: Iterable[Any], columns: Iterable[str]) -> tuple[Any, ...] | None:
        """The columns of the row with this key (in the order of `KEY`), or None; it is none if a file it read has changed."""
        place = (table, *key)
        self._asked.add(place)
        if self._db is None or (self._fresh and place not in self._added):
            return None
        where = " AND ".join(f"{name} = ?" for name in KEY)
        with self._faults():
            query = f"SELECT reads, {', '.join(columns)} FROM {table} WHERE {where}"
            found = self._db.execute(query, place[1:]).fetchone()
        if found is None or not unchanged(json.loads(found[0])):
            return None
        self._found.add(place)
        return tuple(found[1:])

    def add(self, table: str, key: Iterable[Any], row: Mapping[str, Any], read: Mapping[str, str] | None = None) -> None:
        """Adds a row, all of it or nothing, with the files that it depends on.

        One that is there already and holds, such as another process's of meanwhile, stays as it is; any other makes way.
        """
        place = (table, *key)
        if self._db is None:
            self._db = self._opened()
        columns = dict(zip(KEY, place[1:], strict=True)) | {"reads": json.dumps(dict(read or {}), sort_keys=True), **row}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        where = " AND ".join(f"{name} = ?" for name in KEY)
        with self._faults(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            held = self._db.execute(f"SELECT reads FROM {table} WHERE {where}", place[1:]).fetchone()
            if held is None or (self._fresh and place not in self._added) or not unchanged(json.loads(held[0])):
                self._db.execute(f"REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))
        self._added.add(place)

    def _opened(self) -> sqlite3.Connection:
        with self._faults():
            opened = sqlite3.connect(self._name, timeout=PATIENCE_S)
            known = int(opened.execute("PRAGMA user_version").fetchone()[0])
            if known not in (0, VERSION):
                raise MarketError(f"{self._name!r} was written by another version of adarena; move it away to begin anew")
            if known != VERSION:
                with opened:
                    opened.execute("BEGIN IMMEDIATE")  # two processes at once: one waits, and finds them made
                    for statement in TABLES.split(";"):
                        opened.execute(statement)
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
