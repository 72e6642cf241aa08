"""How functions are compiled: one set of Numba options, and a cache that notices every edit.

Numba's own cache keys a function by its file, so it misses an edit to a callee in another file and freezes module constants.
Here the cache directory is named by a hash of every source of this package that compiled code depends on, and of the compiler.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config
from numba.core.serialize import dumps

from .disk import reason
from .notice import later, say
from .pieces import piece

# Arrays are never made inside a kernel, so none is counted: counting them took five times as long as the work.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
# Numba's settings, by environment or file, that change the code it makes; the processor is in its own index.
FLAGS = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "LLVM_REFPRUNE_PASS")
COMPILED = re.compile(rb"^ *@(kernel|inlined|spelt_out|apart|piece|intrinsic|numba\.njit)\b", re.MULTILINE)
IMPORT = re.compile(rb"^from (\.+)([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def digest(root: Path) -> str:
    """Names all that compiled code depends on: the compiler, its options, and sources of the package at `root`.

    Those are the sources with compiled code, and those of which they import what is frozen into it: constants (named in
    capitals), layouts of arguments (named tuples), enumerations, or a whole module; and so on from there.
    """
    texts = {path: path.read_bytes() for folder in ("simulator", "agents") for path in (root / folder).rglob("*.py")}
    found = {path for path, text in texts.items() if COMPILED.search(text)} | {root / "simulator" / "core" / "compiled.py"}
    ahead = list(found)
    while ahead:
        new = _frozen(ahead.pop(), texts) - found
        found |= new
        ahead += new
    flags = {name: getattr(config, name, None) for name in FLAGS}
    compiler = numba.__version__, llvmlite.__version__, np.__version__, sys.version, sorted(OPTIONS.items()), flags
    state = hashlib.blake2b(repr(compiler).encode(), digest_size=8)
    for path in sorted(found):
        state.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + texts[path])
    return state.hexdigest()


def _frozen(path: Path, texts: Mapping[Path, bytes]) -> set[Path]:
    """The sources from which one imports what can be frozen into compiled code."""
    found = set()
    for dots, module, listed in IMPORT.findall(texts[path]):
        place = path.parents[len(dots) - 1].joinpath(*filter(None, module.decode().split(".")))
        for item in filter(None, re.split(r"[(),\s]*[,()\n]+\s*", listed.decode())):
            name = item.split()[0]
            laid_out = re.compile(rb"^class %b\((NamedTuple|\w*Enum)\)" % name.encode(), re.MULTILINE)
            module_itself, package, source = place / f"{name}.py", place / "__init__.py", place.with_suffix(".py")
            if module_itself in texts:
                found.add(module_itself)
            elif package in texts:  # which passes on what is another's
                found.add(package)
            elif source in texts and (name.isupper() or laid_out.search(texts[source])):
                found.add(source)
    return found


@cache
def cache_directory() -> Path:
    """Where compiled code is kept; a new folder as soon as anything changes that it depends on."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "adarena" / digest(Path(__file__).parents[2])


@cache
def _keeps() -> bool:
    """Whether compiled code can be kept. Where it cannot, Numba would put it beside the sources and miss edits later."""
    try:
        cache_directory().mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache_directory()).close()
    except OSError as error:
        _not_kept(error)
        return False
    return True


def _not_kept(error: OSError) -> None:
    where = f"compiled code cannot be kept in {str(cache_directory())!r} ({reason(error)})"
    warnings.warn(
        f"{where}, so every start compiles anew: set NUMBA_CACHE_DIR to a folder with room", RuntimeWarning, stacklevel=3
    )


PATIENCE_S = 1.5  # that a process compiles in silence
LONG_S = 2.0  # that one kernel takes before it is named


class Notice:
    """Says on standard error that compiling takes long, and what takes long: nobody sits a minute before a silent screen.

    Nothing is said where compiled code comes from the cache, nor by worker processes, which would say it all at once.
    `made` are the kernels that this process has compiled, with the seconds that each took, by the clock; those that another
    calls count to that one, too.
    """

    def __init__(self) -> None:
        self._spent, self._due = 0.0, True
        self.made: list[tuple[str, float]] = []

    def during(self, compiling: Callable[..., Any], kernel: str) -> Callable[..., Any]:
        """The same compilation of a kernel, which counts as what may take long."""

        def noticed(*what: Any) -> Any:
            begun = time.monotonic()
            patience = max(PATIENCE_S - self._spent, 0.0)
            try:
                with later((patience, self._say), (patience + LONG_S, lambda: say(f"compiling {kernel}"))):
                    return compiling(*what)
            finally:
                self._spent += time.monotonic() - begun
                self.made.append((kernel, time.monotonic() - begun))

        return noticed

    def _say(self) -> None:
        if self._due and multiprocessing.parent_process() is None:
            self._due = False
            kept = ", and is kept for later runs; see `adarena warm`" if _keeps() else ""
            say(f"compiling for this machine; this takes up to a minute{kept}")


_notice = Notice()


def compilations() -> list[tuple[str, float]]:
    """The kernels that this process has compiled so far, with the seconds that each took; none comes from the cache."""
    return list(_notice.made)


def kernel(*signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorates an entry point that Python calls: compiled and kept on disk.

    What lasts, from some ten microseconds up, is `nogil`, so that other threads go on meanwhile. What is over sooner holds
    Python's lock: to hand it over and wait for it takes longer.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ += _frozen_into(function)
        if not _keeps():
            return _noticed(numba.njit(*signature, **OPTIONS, **options)(function))
        before, config.CACHE_DIR = config.CACHE_DIR, str(cache_directory())
        try:
            compiled = numba.njit(*signature, cache=True, **OPTIONS, **options)(function)
        finally:
            config.CACHE_DIR = before
        save = compiled._cache.save_overload

        def save_if_there_is_room(*what: Any) -> None:
            try:
                save(*what)
            except OSError as error:
                _not_kept(error)

        compiled._cache.save_overload = save_if_there_is_room
        return _noticed(compiled)

    return decorate


def _frozen_into(function: Callable[..., Any]) -> str:
    """What tells a function from others of its name: the values around it that are frozen into it, as hexadecimal digits.

    Symbols are made of a function's name, of how many its process has compiled before, and of its arguments' types. Two of one
    name that were compiled each in a process of its own may have the same one, and a third process, which has both from the
    cache, would call one for the other.
    """
    if function.__closure__ is None:
        return ""
    values = dumps(tuple(cell.cell_contents for cell in function.__closure__))  # by which Numba's cache tells them apart, too
    return f"_{hashlib.blake2b(values, digest_size=4).hexdigest()}"


def _noticed(function: Any) -> Any:
    """Numba's compiler is asked only for what its cache does not hold."""
    name = function.py_func.__module__.partition(".")[2], function.py_func.__name__
    function._compiler.compile = _notice.during(function._compiler.compile, ".".join(name))
    return function


def inlined(function: Callable[..., Any]) -> Any:
    """Decorates a piece of a kernel: compiled into each kernel that calls it."""
    return piece(function, forceinline=True, **OPTIONS)


def spelt_out(function: Callable[..., Any]) -> Any:
    """Decorates a few lines of a kernel, such as a question about its state, that Numba puts in place of each call.

    What is `inlined` is put there by LLVM, which is quicker to compile for more than a line or two.
    """
    return numba.njit(inline="always", **OPTIONS)(function)


def apart(function: Callable[..., Any]) -> Any:
    """Decorates a piece of a kernel that is rarely needed and calls `intrinsics.stay_apart`: a function that is called.

    Put in place it would cost at each turn of the loop around it, where LLVM prepares what its own loops may need.
    """
    return piece(function, forceinline=False, **OPTIONS)


def entry(function: Any, *arguments: Any) -> Callable[..., Any]:
    """The machine code of a kernel for arguments of these types, without Numba's look-up at each call (1 us, not 6)."""
    key = function, kind(arguments)
    if key not in _entries:
        _entries[key] = function.compile(tuple(numba.typeof(a) for a in arguments))
    return _entries[key]


def address(function: Any, *arguments: Any) -> int:
    """Where other compiled code may call a kernel, as C would, with arguments of these types."""
    key = function, kind(arguments)
    if key not in _addresses:
        kinds = tuple(numba.typeof(a) for a in arguments)
        function.compile(kinds)
        result = function.overloads[kinds]
        _addresses[key] = int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))
    return _addresses[key]


# Numba takes a millisecond to see that it has compiled a function before.
_entries: dict[Any, Callable[..., Any]] = {}
_addresses: dict[Any, int] = {}


def kind(x: Any) -> Any:
    """All of a value that Numba's type of it depends on; who says so itself, as `numba_kind`, is believed."""
    if isinstance(x, np.ndarray):
        flags = x.flags
        layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
        return x.dtype, x.ndim, layout, flags.aligned, flags.writeable
    if isinstance(x, tuple):
        return type(x), *map(kind, x)
    return getattr(x, "numba_kind", None) or type(x)
