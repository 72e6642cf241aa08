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


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields a function to be called after each of `total` steps. Draws on standard error: a bar, or off a terminal a line."""
    on_terminal = sys.stderr.isatty()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=plain_console(stderr=True), transient=True, disable=not on_terminal)
    task = bar.add_task(what, total=total)
    begun = told = time.monotonic()
    done = 0

    def advance() -> None:
        nonlocal told, done
        bar.advance(task)
        done, now = done + 1, time.monotonic()
        if on_terminal and told == begun and now - begun > PATIENCE_S:
            bar.start()
            told = now
        elif not on_terminal and now - told >= INTERVAL_S:
            told, left = now, timedelta(seconds=round((now - begun) / done * (total - done)))
            print(f"{what}: {done:,} of {total:,}, about {left} left", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        bar.stop()


class Tell(Protocol):
    """Hears how far a training is."""

    def __call__(self, steps: int, mean_return: float | None, beside: str = "") -> None:
        """Steps trained so far, the mean return of the latest episodes, if any, and what else is to be told of them."""


@contextmanager
def training(what: str, timesteps: int) -> Iterator[Tell]:
    """Yields a function to be called often: steps trained so far, mean return of the latest episodes, if any, what they did.

    Draws on standard error: a bar on a terminal, else a line now and then.
    """
    on_terminal = sys.stderr.isatty()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=plain_console(stderr=True), transient=True, disable=not on_terminal)
    task = bar.add_task(f"{what}, steps", total=timesteps)
    begun = told = time.monotonic()
    first: int | None = None  # a run that is resumed has steps that it did not take now

    def advance(steps: int, mean_return: float | None, beside: str = "") -> None:
        nonlocal first, told
        now = time.monotonic()
        if first is None:
            first = steps
        learned = "" if mean_return is None else f", mean return {mean_return:.3f}{beside}"
        bar.update(task, completed=min(steps, timesteps), description=f"{what}{learned}, steps")
        if on_terminal and told == begun and now - begun > PATIENCE_S:
            bar.start()
            told = now
        elif not on_terminal and now - told >= INTERVAL_S:
            told, speed = now, (steps - first) / (now - begun)
            left = timedelta(seconds=round(max(timesteps - steps, 0) / speed)) if speed else "unknown time"
            line = f"{what}: {steps:,} of {timesteps:,} steps{learned}, {speed:,.0f} steps/s, {left} left"
            print(line, file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        bar.stop()
