"""A progress bar that appears only for work that takes longer than two seconds; off a terminal, a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .tables import plain_console

PATIENCE_S = 2.0
INTERVAL_S = 30.0  # between two lines off a terminal


class _Drawn:
    """A bar on standard error, or off a terminal a line every `INTERVAL_S`; `shut` takes the bar away."""

    def __init__(self, what: str, total: int) -> None:
        self._on_terminal = sys.stderr.isatty()
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=plain_console(stderr=True), transient=True, disable=not self._on_terminal)
        self._task = self._bar.add_task(what, total=total)
        self._begun = self._told = time.monotonic()

    def move(self, completed: int, line: Callable[[float], str], description: str | None = None) -> None:
        """So much is done; `line`, of the seconds since the beginning, is what is told where there is no bar."""
        self._bar.update(self._task, completed=completed, description=description)
        now = time.monotonic()
        if self._on_terminal and self._told == self._begun and now - self._begun > PATIENCE_S:
            self._bar.start()
            self._told = now
        elif not self._on_terminal and now - self._told >= INTERVAL_S:
            self._told = now
            print(line(now - self._begun), file=sys.stderr, flush=True)

    def shut(self) -> None:
        self._bar.stop()


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields a function to be called after each of `total` steps. Draws on standard error: a bar, or off a terminal a line."""
    drawn, done = _Drawn(what, total), 0

    def line(seconds: float) -> str:
        left = timedelta(seconds=round(seconds / done * (total - done)))
        return f"{what}: {done:,} of {total:,}, about {left} left"

    def advance() -> None:
        nonlocal done
        done += 1
        drawn.move(done, line)

    try:
        yield advance
    finally:
        drawn.shut()


class Tell(Protocol):
    """Hears how far a training is."""

    def __call__(self, steps: int, mean_return: float | None, beside: str = "") -> None:
        """Steps trained so far, the mean return of the latest episodes, if any, and what else is to be told of them."""


@contextmanager
def training(what: str, timesteps: int) -> Iterator[Tell]:
    """Yields a function to be called often: steps trained so far, mean return of the latest episodes, if any, what they did.

    Draws on standard error: a bar on a terminal, else a line now and then.
    """
    drawn = _Drawn(f"{what}, steps", timesteps)
    first: int | None = None  # a run that is resumed has steps that it did not take now

    def advance(steps: int, mean_return: float | None, beside: str = "") -> None:
        nonlocal first
        begun = first = steps if first is None else first
        learned = "" if mean_return is None else f", mean return {mean_return:.3f}{beside}"

        def line(seconds: float) -> str:
            told = f"{what}: {min(steps, timesteps):,} of {timesteps:,} steps{learned}"
            if steps == begun:
                return told
            speed = (steps - begun) / seconds
            left = timedelta(seconds=round(max(timesteps - steps, 0) / speed))
            return f"{told}, {speed:,.0f} steps/s, {left} left"

        drawn.move(min(steps, timesteps), line, f"{what}{learned}, steps")

    try:
        yield advance
    finally:
        drawn.shut()
