"""Ctrl-C between two events instead of in the middle of one, so that a run that was stopped can go on."""

from __future__ import annotations

import signal
import threading
from _signal import getsignal  # type: ignore[import-not-found]
from _signal import signal as set_signal  # those of `signal` make enumerations of handlers, for 8 us a step
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """Whether Ctrl-C was pressed since it was last asked about."""

    pressed = False

    def __init__(self, handler: signal._HANDLER) -> None:
        self._handler = handler

    def deliver(self) -> None:
        """Does now what Ctrl-C does: as a rule, raises `KeyboardInterrupt`. A handler may as well note it and return."""
        self.pressed = False
        assert callable(self._handler)
        self._handler(signal.SIGINT, None)

    def _hold(self, number: int, frame: object) -> None:
        if self.pressed:  # pressed again: whoever does is tired of waiting
            self.deliver()
        self.pressed = True


@contextmanager
def held_interrupts() -> Iterator[Interrupts]:
    """Holds back a first Ctrl-C until it is delivered; a second one is delivered at once.

    Only Python's main thread receives it, and only a handler of Python's can be called later: elsewhere nothing is held.
    """
    before = getsignal(signal.SIGINT)
    held = Interrupts(before)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield held
        return
    set_signal(signal.SIGINT, held._hold)
    try:
        yield held
    finally:
        if (there := set_signal(signal.SIGINT, before)) != held._hold:  # a handler has put another in its place
            set_signal(signal.SIGINT, there)
    if held.pressed:
        held.deliver()
