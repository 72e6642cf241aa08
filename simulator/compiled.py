"""How functions are compiled: one set of Numba options, and a cache that notices every edit.

Numba's own cache keys a function by its file, so it misses an edit to a callee in another file and freezes
module constants. Here the cache directory is named by a hash of every compiled source of this package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache, singledispatch
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import config

# Arrays are never made inside a kernel, so none is counted: counting them took five times as long as the work.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


@cache
def cache_directory() -> Path:
    """Where compiled code is kept; a new folder as soon as any source with compiled code changes."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        text = source.read_bytes()
        if b"\n@kernel" in text or b"\n@inlined" in text or b"\n@intrinsic" in text:
            digest.update(text)
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "adarena" / digest.hexdigest()


def kernel(*signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorates an entry point that Python calls: compiled without the GIL and kept on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        before, config.CACHE_DIR = config.CACHE_DIR, str(cache_directory())
        try:
            return numba.njit(*signature, cache=True, **OPTIONS, **options)(function)
        finally:
            config.CACHE_DIR = before

    return decorate


def inlined(function: Callable[..., Any]) -> Any:
    """Decorates a piece of a kernel: compiled into each kernel that calls it."""
    return numba.njit(forceinline=True, **OPTIONS)(function)


def entry(function: Any, *arguments: Any) -> Callable[..., Any]:
    """The machine code of a kernel for arguments of these types, without Numba's look-up at each call (1 us, not 6)."""
    key = function, kind(arguments)
    if key not in _entries:
        _entries[key] = function.compile(tuple(numba.typeof(a) for a in arguments))
    return _entries[key]


_entries: dict[Any, Callable[..., Any]] = {}  # Numba takes a millisecond to see that it has compiled a function before


@singledispatch
def kind(x: Any) -> Any:
    """All of a value that Numba's type of it depends on."""
    return type(x)


@kind.register(np.ndarray)
def _(x: np.ndarray) -> Any:
    layout = "C" if x.flags.c_contiguous else "F" if x.flags.f_contiguous else "A"
    return x.dtype, x.ndim, layout, x.flags.aligned, x.flags.writeable


@kind.register(tuple)
def _(x: tuple[Any, ...]) -> Any:
    return type(x), *map(kind, x)
