"""Work that kills whoever does it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from adarena.benchmarks.comparison.workers import Crew


def once(marker: Path, function: Callable[[Any], Any], task: Any) -> Any:
    """Kills the process of whoever comes first; does the task for all others."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return function(task)
    return always(task)


def always(task: Any) -> Any:
    """Kills the process that does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """A crew one of whose workers dies at its first task; `marker` is then there."""

    def __init__(self, crew: Crew, marker: Path) -> None:
        self._crew, self._marker = crew, marker

    def results(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """As the crew's."""
        return self._crew.results(partial(once, self._marker, function), tasks)
