"""SimPy's environment with time in whole microseconds, and who acts first at one instant."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import simpy
from simpy.events import NORMAL, EventPriority

from .errors import MarketError

HOUR_US = 3_600_000_000

# Priorities at one instant: the answer of an open seat, the end of a tick, SimPy's own events (0 and 1: control), the funnel's
# index, which takes in what control has changed, the end of a run, arrivals. Ticks end before control, so that what a process
# does when a tick or day begins belongs to that one, however long ago it was scheduled. Before arrivals come free servers for
# those who wait, requests that complete, and others that leave.
ANSWER, TICK, INDEX, END, GRANT, DONE, LEAVE, ARRIVAL = -2, -1, 500, 1_000, 2_000, 3_000, 4_000, 1_000_000


class Own(simpy.Process):
    """A process without which there is no market: ticks, traffic, requests, servers."""


class Clock(simpy.Environment):
    """An environment whose time is an int: a float would make `now` one for everybody.

    `failed` is the process that has failed last, if one has: SimPy raises its error when it comes to it.
    """

    failed: simpy.Process | None = None

    def own(self, generator: Generator[simpy.Event, Any, Any]) -> Own:
        """Starts a process of the market."""
        return Own(self, generator)

    def schedule(self, event: simpy.Event, priority: EventPriority = NORMAL, delay: float = 0) -> None:
        """See `simpy.Environment.schedule`. Raises `MarketError` where a process waits for anything but a whole number."""
        if type(delay) is not int:
            raise MarketError(f"a process waits for a whole number of microseconds, an int from 0 up, not {delay!r}")
        if not event._ok and isinstance(event, simpy.Process):
            self.failed = event
        super().schedule(event, priority, delay)

    def at(self, time: int, priority: int) -> simpy.Event:
        """An event at a time, ordered against others of that instant."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        self.schedule(event, cast(EventPriority, priority), time - self.now)
        return event

    def fire(self, event: simpy.Event, value: object) -> None:
        """Triggers an event before all others of this instant."""
        event._ok, event._value = True, value
        self.schedule(event, cast(EventPriority, ANSWER), 0)

    def next_event(self) -> int | None:
        """When the next event is due; None if there is none."""
        until = self.peek()
        return None if until == float("inf") else cast(int, until)

    def has_next(self, priority: int) -> bool:
        """Whether the next event is of that priority."""
        return bool(self._queue) and self._queue[0][1] == priority
