"""What a measurement is: a figure with its unit and what is wanted of it, and the best of several runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

REPEATS = 5


class Measure(NamedTuple):
    """One figure: what, how much of which unit, and what is wanted of it (None: it is there to compare with)."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is as wanted."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


def best(work: Callable[[int], float], repeats: int = REPEATS) -> float:
    """The least of several measurements; `work(k)` is given the number of the repetition, for fresh data."""
    return min(work(k) for k in range(repeats))


def processor_seconds(work: Callable[[], Any]) -> float:
    """Processor time of this thread."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun
