"""Processor time by stage, of a world as it runs: stopwatches around calls, and copies of its state to try things on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np

T = TypeVar("T")
READINGS = 64
BATCHES = 9


class Account:
    """Processor seconds of this thread by stage; while a stage within another goes on, the outer one's stopwatch stands.

    What the stopwatch itself takes, up to some microseconds where a virtual machine reads the clock, is measured first and
    counts to no stage.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stage: str | None = None
        self._since, self._own = 0.0, 0.0
        self._own = self._switches()

    @contextmanager
    def stage(self, name: str | None) -> Iterator[None]:
        """What is done meanwhile counts to a stage; to none if it is None."""
        before = self._switch(name)
        try:
            yield
        finally:
            self._switch(before)

    def watch(self, holder: Any, name: str, stage: str) -> None:
        """From now on the calls of a method of one object count to a stage."""
        work, switch = getattr(holder, name), self._switch

        def timed(*arguments: Any) -> Any:
            before = switch(stage)
            try:
                return work(*arguments)
            finally:
                switch(before)

        setattr(holder, name, timed)

    def _switch(self, stage: str | None) -> str | None:
        now = time.thread_time()
        before = self._stage
        if before is not None:
            self.seconds[before] += now - self._since - self._own
        self._stage, self._since = stage, now
        return before

    def _switches(self) -> float:
        """Seconds from one switch to the next if nothing is done in between."""
        batches = []
        for _ in range(BATCHES):
            self._switch("nothing")
            for _ in range(READINGS):
                self._switch("nothing")
            self._switch(None)
            batches.append(self.seconds.pop("nothing") / (READINGS + 1))
        return min(batches)


def copied(part: T) -> T:
    """A tuple of arrays with arrays of its own; those that nobody may write to are shared."""
    return cast(T, _copied(part))


def _copied(part: Any) -> Any:
    if isinstance(part, np.ndarray):
        return part.copy() if part.flags.writeable else part
    if isinstance(part, tuple):
        items = [_copied(item) for item in part]
        return type(part)(*items) if hasattr(part, "_fields") else tuple(items)
    return part
