"""What the code of a user's modules reads, seen by an audit hook as it happens and held against the modules on the stack.

Not seen: files that native code opens by itself, what other processes read, a file's mere existence, the environment, the
network. The hook is set when the first module of a user's is loaded; such a hook cannot be taken off again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import sysconfig
import threading
import time
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = "?"  # the digest of what cannot be told: equal to none
ABSENT = "absent"
RACY_S = 2.0  # a file this young may change once more without a new time of change
seen: dict[Path, str] = {}  # the digest of each source of the user's when it was loaded
reads: dict[Path, dict[str, str]] = {}  # what the code of each source has read: paths as given, digests as read
since: list[float] = []  # when the hook was set
_written: dict[Path, set[str]] = {}  # what the code of each source has made itself
_inside = threading.local()


@cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    folders = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    package = [ROOT / name for name in ("simulator", "agents", "envs", "benchmarks", "__init__.py", "__main__.py")]
    return (*folders, *package, Path("/proc"), Path("/sys"), Path("/dev"))


@cache
def _foreign(path: Path) -> bool:
    """Whether a resolved path is not the user's: installed, of this package, or of the operating system's making."""
    if any(path == folder or folder in path.parents for folder in _installed()):
        return True
    return any(part in ("site-packages", "dist-packages") for part in path.parts)


@cache
def _users(name: str) -> Path | None:
    path = Path(name).resolve()
    return None if _foreign(path) else path


def own(name: str) -> Path | None:
    """The user's source file of this name, as code objects and modules carry it; None if it is none."""
    if not os.path.isabs(name) or (path := _users(name)) is None or not path.is_file():
        return None
    return path


_digests: dict[str, tuple[tuple[int, ...], str]] = {}


def digest(path: str | Path) -> str:
    """A digest of what a file holds, or of the names in a folder; of a path that leads nowhere, a word that says so."""
    before, _inside.hook = getattr(_inside, "hook", False), True
    try:
        return _digest(os.fspath(path))
    except OSError:
        return ABSENT
    finally:
        _inside.hook = before


def _digest(name: str) -> str:
    about = os.stat(name)
    if stat.S_ISDIR(about.st_mode):
        names = sorted(set(os.listdir(name)) - {"__pycache__"})
        return hashlib.blake2b("\0".join(names).encode(), digest_size=8).hexdigest()
    if not stat.S_ISREG(about.st_mode):
        return UNKNOWN
    state, key = (about.st_ino, about.st_size, about.st_mtime_ns), os.path.abspath(name)
    if key in _digests and _digests[key][0] == state:
        return _digests[key][1]
    with open(name, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    if time.time() - about.st_mtime > RACY_S:
        _digests[key] = state, found
    return found


def watch() -> None:
    """Begins to note what the user's modules read, once and for all: such a hook cannot be taken off."""
    if not since:
        since.append(time.time())
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "os.listdir", "os.scandir") or getattr(_inside, "hook", False):
        return
    _inside.hook = True
    try:
        _note(event, arguments, sys._getframe(1))
    finally:
        _inside.hook = False


def _note(event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:
    name = "." if arguments[0] is None else arguments[0]
    if not isinstance(name, (str, bytes, os.PathLike)):
        return  # an open file's number
    importing = frame.f_code.co_filename.startswith("<frozen importlib")
    given = os.fsdecode(name)
    if event == "open" and importing and (source := _source(given)) is not None:
        seen[source] = digest(source)
        given = str(source)
    owners = _owners(frame)
    if not owners or given.endswith((".pyc", ".nbi", ".nbc")) or _foreign(Path(given).resolve()):
        return
    if event != "open":
        if importing or _looks_for_modules(frame):
            return
    else:
        reading, writing = _ways(arguments[1], arguments[2])
        place = os.path.abspath(given)
        if not reading:
            for owner in owners if writing else ():
                _written.setdefault(owner, set()).add(place)
            return
        owners = {one for one in owners if place not in _written.get(one, ()) or given in reads.get(one, ())}
    now = digest(given) if owners else UNKNOWN
    for owner in owners:
        known = reads.setdefault(owner, {})
        known[given] = now if known.get(given, now) == now else UNKNOWN  # which of the two is in use, nobody knows


def _source(name: str) -> Path | None:
    """The user's source behind a file that the import system opens."""
    if name.endswith(".pyc"):
        try:
            name = source_from_cache(name)
        except ValueError:
            return None
    return own(os.path.abspath(name))


def _owners(frame: FrameType | None) -> set[Path]:
    """The user's sources on the stack."""
    found = set()
    while frame is not None:
        if (path := own(frame.f_code.co_filename)) is not None:
            found.add(path)
        frame = frame.f_back
    return found


def _looks_for_modules(frame: FrameType | None) -> bool:
    """Whether a folder is listed by an import between here and the user's code."""
    while frame is not None and own(frame.f_code.co_filename) is None:
        if "importlib" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _ways(mode: str | None, flags: int) -> tuple[bool, bool]:
    """Whether a file is opened to read what it held before, and whether to write."""
    if mode is not None:
        return "r" in mode or ("a" in mode and "+" in mode), any(sign in mode for sign in "wax+")
    kind = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
    return kind != os.O_WRONLY and not flags & (os.O_TRUNC | os.O_EXCL), kind != os.O_RDONLY
