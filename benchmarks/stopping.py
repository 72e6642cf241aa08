"""SIGTERM ends a command as Ctrl-C does: through whatever tidies up, with a sentence and an exit status of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turns the first SIGTERM into `Terminated`, in the main thread and where nobody else handles it; a second ends at once."""
    own = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if own:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if own:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def status(stop: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped, as a shell tells it."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
