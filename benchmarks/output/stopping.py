"""SIGTERM ends a command as Ctrl-C does: through whatever tidies up, with a sentence and an exit status of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


AGAIN_S = 0.05


@contextmanager
def terminable() -> Iterator[None]:
    """Turns the first SIGTERM into `Terminated`, in the main thread and where nobody else handles it; a second ends at once.

    One that arrives, as a Ctrl-C may, while native code calls back, such as a compiler's, is lost there: it is raised again.
    """
    main = threading.current_thread() is threading.main_thread()
    own = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    before = sys.unraisablehook

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    def lost(what: Any) -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            before(what)
            return
        kind = what.exc_type

        def again(number: int, frame: FrameType | None) -> None:
            raise kind

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)

    if own:
        signal.signal(signal.SIGTERM, end)
    if main and hasattr(signal, "setitimer"):
        sys.unraisablehook = lost
    try:
        yield
    finally:
        if sys.unraisablehook is lost:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        sys.unraisablehook = before
        if own:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def status(stop: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped, as a shell tells it."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
