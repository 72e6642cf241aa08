"""Signals while an agent is trained: the first asks for a checkpoint, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

NOTICE = b"stopping after the checkpoint at the end of this rollout; a second signal ends at once\n"


class Stopped(KeyboardInterrupt):
    """A training that was stopped by a signal, and whose checkpoint is written."""

    def __init__(self, steps: int, timesteps: int, signal_number: int) -> None:
        super().__init__(f"stopped at {steps:,} of {timesteps:,} steps; train with resume=True to go on")
        self.steps, self.timesteps, self.signal_number = steps, timesteps, signal_number


@contextmanager
def postponed() -> Iterator[list[int]]:
    """Yields a list that SIGINT and SIGTERM are noted in instead of acting, in the main thread; then all is as it was before.

    With the first, what was there before is back in place. Signals that are ignored stay so, and so do handlers that were not
    set from Python.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        restore()
        os.write(2, NOTICE)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                before[number] = handler
                signal.signal(number, note)
    try:
        yield came
    finally:
        restore()


def deliver(number: int, steps: int, timesteps: int) -> NoReturn:
    """Lets a signal that was postponed do what it would have done; raises `Stopped` in place of a bare KeyboardInterrupt."""
    handler = signal.getsignal(number)
    try:
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)
    except KeyboardInterrupt:
        pass  # said better below
    raise Stopped(steps, timesteps, number)
