"""How many servers work: a SimPy resource whose size changes, and the processes that change it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Generator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray
from simpy.resources.resource import SortedQueue

from ..core.addressed import Addressed
from ..core.chance import Stream, generator
from ..core.clock import Clock
from ..core.errors import MarketError
from ..core.numeric import whole
from ..scenario.delivery import MOST_SERVERS, Autoscaling, Outage, Serving
from ..scenario.tree import Scenario
from .queue import Queue, Served, Servers


class Line(SortedQueue):
    """Those who wait, by priority and then as they came; SimPy's own is sorted anew by each who comes."""

    def append(self, item: Any) -> None:
        """Puts one in its place, behind its equals."""
        bisect.insort(self, item, key=attrgetter("key"))


class Pool(simpy.PriorityResource):
    """The queue of the engine "events": servers whose number may change; those too many stop when their work is done."""

    PutQueue = Line

    def resize(self, servers: int) -> None:
        """Sets the number of servers; `grant` gives new ones to those who wait."""
        self._capacity = servers

    def grant(self, event: simpy.Event) -> None:
        """Gives free servers to those who wait, as a callback of an event; a SimPy resource by itself gives one."""
        while self.put_queue and self.count < self.capacity:
            self._trigger_put(None)


class Fleet:
    """The servers of a world: how many it has, and how many of them have failed.

    `changed` is called with the number that works whenever it changes; `drawn` are outages beside those that settings list.
    """

    def __init__(
        self,
        env: Clock,
        settings: Serving,
        line: Addressed[Queue],
        changed: Callable[[int], None],
        drawn: Sequence[Outage] = (),
    ) -> None:
        self._env, self._line, self._changed = env, line, changed
        self.owned, self.failed = settings.servers, 0
        self._rule, self._ordered = settings.autoscaling, False  # whether somebody orders servers in its place
        self._since, self._server_us = 0, 0  # what of the servers' time is added up
        for outage in (*settings.outages, *drawn):
            env.own(self._outage(outage))
        if settings.autoscaling is not None:
            env.own(self._scaling(settings.autoscaling))

    @property
    def working(self) -> int:
        """How many servers work."""
        return max(self.owned - self.failed, 0)

    def own(self, servers: int) -> None:
        """Sets how many servers there are. Raises `MarketError` for what is not a number of servers."""
        self.owned = _count(servers)
        self._update()

    def fail(self, servers: int) -> int:
        """Takes so many servers down, as far as there are so many; returns how many that are.

        Raises:
            MarketError: for what is not a number of servers.
        """
        taken = min(_count(servers), self.owned)
        self.failed += taken
        self._update()
        return taken

    def repair(self, servers: int) -> None:
        """Brings so many servers back. Raises `MarketError` if not so many have failed."""
        if (count := _count(servers)) > self.failed:
            raise MarketError(f"{servers} servers cannot be repaired: {self.failed} have failed")
        self.failed -= count
        self._update()

    def server_us(self) -> int:
        """Microseconds that servers have worked or could have, together, since this was asked before."""
        self._measure()
        out, self._server_us = self._server_us, 0
        return out

    def _measure(self) -> None:
        now = int(self._env.now)
        self._server_us += (now - self._since) * int(self._control[Servers.CAPACITY])
        self._since = now

    def _update(self) -> None:
        if self.working != self._control[Servers.CAPACITY]:
            self._measure()
            self._control[Servers.CAPACITY] = self.working
            self._changed(self.working)

    @property
    def _control(self) -> NDArray[np.int64]:
        return self._line.value.control

    def _outage(self, outage: Outage) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(round(outage.start_s * 1e6))
        taken = self.fail(outage.servers)
        yield self._env.timeout(round(outage.duration_s * 1e6))
        self.repair(min(taken, self.failed))  # others may have repaired them

    def _scaling(self, rule: Autoscaling) -> Generator[simpy.Event, Any, None]:
        """Every so often orders as many servers as the work of that time would have filled to the share wanted."""
        every = round(rule.every_s * 1e6)
        seen = 0
        while True:
            yield self._env.timeout(every)
            asked = int(self._line.value.books[:, Served.ASKED_US].sum())
            wanted = math.ceil((asked - seen) / (every * rule.utilisation))
            seen = asked
            if not self._ordered:
                self._env.own(self._order(min(max(wanted, rule.least), rule.most), round(rule.delay_s * 1e6)))

    def order(self, servers: int) -> None:
        """Orders servers, or sends some away, as autoscaling does; from then on it is left to whoever orders."""
        assert self._rule is not None
        self._ordered = True
        self._env.own(self._order(servers, round(self._rule.delay_s * 1e6)))

    def _order(self, servers: int, delay: int) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(delay)
        self.own(servers)


def drawn_outages(scenario: Scenario, seed: int) -> list[Outage]:
    """The outages of the days of a seed that nobody foresees."""
    settings = None if scenario.serving is None else scenario.serving.failures
    if settings is None:
        return []
    found = []
    for day in range(scenario.days):
        dice = generator(seed, Stream.OUTAGE, day)
        if dice.random() < settings.probability:
            start, hours = scenario.day_s * (day + dice.random()), dice.uniform(*settings.hours)
            fewest, most = settings.servers
            found.append(Outage(start_s=start, duration_s=3600 * hours, servers=int(dice.integers(fewest, most + 1))))
    return found


def _count(servers: Any) -> int:
    count = whole(servers)
    if count is None or not 0 <= count <= MOST_SERVERS:
        raise MarketError(f"a number of servers is a whole number from 0 to {MOST_SERVERS:,}, not {servers!r}")
    return count
