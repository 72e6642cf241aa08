"""`results.sqlite`: what has been measured is kept row by row, so that a killed comparison goes on where it stopped.

A row is found again only by the code that made it, the scenario's digest, the rivals, the policy with its sources, seed and
campaign. Each row is a transaction of its own. Timing is stored with the row and never measured twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import __version__
from ..simulator.compiled import cache_directory
from ..simulator.errors import MarketError
from ..simulator.seats import BidPolicy

ROOT = Path(__file__).parents[1]
VERSION = 2  # of the tables
KEY = ("code", "scenario", "rivals", "policy", "source", "seed", "campaign")
TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER,
    value REAL, spend REAL, budget REAL, pacing_error REAL, conversions INTEGER, cpa_excess REAL, score REAL,
    clairvoyant REAL, frontier REAL, seconds REAL, spend_curve BLOB,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trials (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER, score REAL,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hindsight (
    code TEXT, scenario TEXT, rivals TEXT, policy TEXT, source TEXT, seed INTEGER, campaign INTEGER,
    score REAL, multiplier REAL,
    PRIMARY KEY (code, scenario, rivals, policy, source, seed, campaign)
) WITHOUT ROWID;
"""


@cache
def code_version() -> str:
    """The package's version, and a digest of every source a result depends on (Numba's version among them)."""
    digest = hashlib.blake2b(cache_directory().name.encode(), digest_size=6)
    for folder in ("simulator", "agents", "benchmarks/suites"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()}"


def source_digest(policy: BidPolicy) -> str:
    """A digest of what a policy is made of beside this package: the file of its class, and files or folders its fields name.

    Modules that such a file imports in turn are not followed. Empty for a policy of this package that names no file.
    """
    files = [Path(inspect.getfile(type(policy))).resolve()]
    files = [path for path in files if ROOT.resolve() not in path.parents or ROOT / "tests" in path.parents]
    if dataclasses.is_dataclass(policy):
        values = [getattr(policy, field.name) for field in dataclasses.fields(policy) if field.init]
        for named in (Path(value) for value in values if isinstance(value, (str, Path)) and str(value)):
            files += [named] if named.is_file() else sorted(path for path in named.glob("*") if path.is_file())
    if not files:
        return ""
    digest = hashlib.blake2b(digest_size=6)
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Store:
    """The three tables, runs, trials and hindsight, of one file (or of memory). The file is made with its first row."""

    def __init__(self, path: Path | None = None) -> None:
        """Opens the file if it is there; None: in memory. Raises `MarketError` if it is something else."""
        self._path = path
        self._db = self._opened() if path is None or path.exists() else None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._db is not None:
            self._db.close()

    def find(self, table: str, key: Iterable[Any], columns: Iterable[str]) -> tuple[Any, ...] | None:
        """The columns of the row with this key (in the order of `KEY`), or None."""
        if self._db is None:
            return None
        where = " AND ".join(f"{name} = ?" for name in KEY)
        found = self._db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", tuple(key)).fetchone()
        return None if found is None else tuple(found)

    def add(self, table: str, key: Iterable[Any], row: dict[str, Any]) -> None:
        """Adds a row, all of it or nothing; one that is there already stays as it is."""
        if self._db is None:
            self._db = self._opened()
        names, values = (*KEY, *row), (*key, *row.values())
        marks = ", ".join("?" * len(names))
        with self._db:
            self._db.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", values)

    def _opened(self) -> sqlite3.Connection:
        where = ":memory:" if self._path is None else str(self._path)
        try:
            opened = sqlite3.connect(where, timeout=60)
            known = int(opened.execute("PRAGMA user_version").fetchone()[0])
            if known not in (0, VERSION):
                raise MarketError(f"{where!r} was written by another version of adarena; move it away to begin anew")
            opened.executescript(TABLES + f"PRAGMA user_version = {VERSION};")
        except sqlite3.Error as error:
            raise MarketError(f"cannot keep results in {where!r}: {error}") from None
        return opened
