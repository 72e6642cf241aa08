"""Hashes of categories."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.chance import mix
from ..core.compiled import kernel


def hashed(name: str, values: NDArray[Any]) -> NDArray[np.uint32]:
    """A 32-bit hash of each value of a category, shape (n,): SplitMix64's finaliser, salted by BLAKE2b of the category's name.

    The same name and value have the same hash in every run and market; take it modulo the size of a table.
    """
    salt = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    out = np.empty(len(values), np.uint32)
    hash_all(np.uint64(salt), np.asarray(values, np.int64), out)
    return out


@kernel(nogil=True)
def hash_all(salt: Any, values: Any, out: Any) -> None:
    """Fills out (n,) with the upper halves of mixed values (n,)."""
    for j in range(values.size):
        out[j] = mix(np.uint64(values[j]) * np.uint64(0x9E3779B97F4A7C15) + salt) >> np.uint64(32)
