"""What is said on standard error while something takes long, so that nobody sits before a silent screen."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 2.0  # that passes in silence


def say(text: str) -> None:
    """A line on standard error; nothing from worker processes, which would say it all at once."""
    if multiprocessing.parent_process() is None:
        print(f"adarena: {text}", file=sys.stderr, flush=True)


@contextmanager
def later(*told: tuple[float, Callable[[], None]]) -> Iterator[None]:
    """Calls what is told after so many seconds each, unless what stands inside is over by then."""
    timers = [threading.Timer(seconds, call) for seconds, call in told]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Says what is being done if it takes longer than `PATIENCE_S`."""
    with later((PATIENCE_S, lambda: say(what))):
        yield
