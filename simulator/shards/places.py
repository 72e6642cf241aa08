"""Where shards are: here, in threads. On other machines they are Ray's actors (`actors`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ..scenario.tree import Scenario
from .shard import Orders, Report, Shard


class Places(Protocol):
    """The shards of one world, wherever they are."""

    def play(self, orders: Sequence[Orders]) -> list[Report]:
        """Has each shard play an interval on its orders; returns when all have."""


class Here:
    """Shards in this process, played by so many threads as there are processors: kernels let go of Python's lock."""

    def __init__(self, scenario: Scenario, seed: int, shards: int) -> None:
        self._shards = [Shard(scenario, seed, shards, number) for number in range(shards)]
        threads = min(shards, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, "shard") if threads > 1 else None

    def play(self, orders: Sequence[Orders]) -> list[Report]:
        """As `Places` do."""
        if self._pool is None:
            return [shard.play(one) for shard, one in zip(self._shards, orders, strict=True)]
        return list(self._pool.map(Shard.play, self._shards, orders))
