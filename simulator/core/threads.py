"""How many processors there are, and one thread for NumPy's BLAS while a market is built or runs.

Products that are split over threads differ in the last bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _libraries() -> list[Any]:
    """The BLAS libraries of this process."""
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


_lock = threading.Lock()
_users: list[list[int]] = []  # the numbers of threads before, once for each who holds them


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS at one thread until all who hold it have let go; any thread may."""
    with _lock:
        _users.append(_users[0] if _users else [library.get_num_threads() for library in _libraries()])
        if len(_users) == 1:
            _set_threads([1] * len(_libraries()))
    try:
        yield
    finally:
        with _lock:
            before = _users.pop()
            if not _users:
                _set_threads(before)


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        library.set_num_threads(number)
