"""Worlds that nobody uses any more, and the memory that they hold.

The parts of a world know each other, so it goes when Python's collector of rings comes. That comes by the number of objects
made; a world is few objects and megabytes of arrays, which it does not see: a long training grew by a megabyte a day. So the
bytes are counted here.
"""

from __future__ import annotations

import gc

MOST = 1 << 29  # bytes of worlds made between two collections, so that these are rare beside the days that worlds live

_made = 0


def count(size: int) -> None:
    """Takes note of so many bytes that will be freed in a ring; has rings collected where it has become too many."""
    global _made
    _made += size
    if _made > MOST:
        _made = 0
        gc.collect()
