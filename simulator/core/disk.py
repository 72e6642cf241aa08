"""What is written to disk is whole or not there: files that take their names together, and a folder held by one writer.

A full disk, a folder that has gone, a name that is too long: each is one sentence, and what stood there before still stands.
"""

from __future__ import annotations

import errno
import gc
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from .errors import AdArenaError, MarketError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def reason(error: OSError) -> str:
    """Why the machine would not, in its own words."""
    return os.strerror(error.errno) if error.errno else " ".join(str(error).split())


def write(path: str | Path, content: bytes | str, wrong: type[AdArenaError] = MarketError) -> Path:
    """Writes one file, text as UTF-8; see `write_together`."""
    path = Path(path)
    write_together({path: content}, wrong=wrong)
    return path


def write_together(
    files: Mapping[Path, bytes | str], stale: Iterable[Path] = (), wrong: type[AdArenaError] = MarketError
) -> list[Path]:
    """Writes all of some files or none, and then removes those of `stale` that an earlier run has left; gives their paths.

    Each is written beside its name first, so a reader meets the old file or the new one. A link is followed; what is no
    regular file, such as a terminal, is written to as it is.

    Raises:
        AdArenaError (of the class `wrong`): if one cannot be written.
    """
    parts: dict[Path, Path] = {}  # by the name that each is to take
    path = Path()
    try:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "")
            if path.exists() and not path.is_file():
                path.write_bytes(data)
                continue
            target = Path(os.path.realpath(path))
            part = target.with_name(f".adarena-{secrets.token_hex(4)}.part")  # short: a name has room for 255 bytes
            parts[target] = part
            part.write_bytes(data)
        old = [path for path in stale if path not in files and path.is_file()]
        for path in old:
            path.unlink()
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise wrong(f"cannot write {str(path)!r}: {reason(error)}") from None
    finally:
        remove(parts.values())
    return old


def remove(paths: Iterable[Path]) -> None:
    """Removes files, as far as they are there and can be."""
    for path in paths:
        try:
            path.unlink()
        except OSError:  # gone already, or its folder is
            continue


class Claim:
    """A folder in which one writer at a time writes, of this process or any other.

    A file in it is locked by the system, which gives the lock up when a process ends, however it ends.
    """

    NAME = ".journal.lock"

    def __init__(self, folder: Path) -> None:
        """Raises `BlockingIOError` if another holds the folder, `OSError` if it cannot be written or locked."""
        self._path = folder / self.NAME
        try:
            self._file = self._locked()
        except BlockingIOError:
            gc.collect()  # a world that was dropped lets go when it is collected, and it hangs in a circle
            self._file = self._locked()

    def _locked(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(file)
                if os.path.samestat(os.fstat(file), os.stat(self._path)):
                    return file
            except FileNotFoundError:  # the one before let go of it in between
                pass
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def release(self) -> None:
        """Lets go; the file is removed while it is still locked, so that nobody can hold one that has no name."""
        if sys.platform == "win32":  # where an open file cannot be removed
            os.close(self._file)
            remove([self._path])
        else:
            remove([self._path])
            os.close(self._file)


def _lock(file: int) -> None:
    """Locks an open file without waiting. Raises `BlockingIOError` if it is locked."""
    if sys.platform == "win32":
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
