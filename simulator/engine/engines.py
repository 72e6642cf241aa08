"""The two engines: traffic in blocks of compiled code, or each request as a SimPy process of its own.

Both settle with the same compiled step, and keep the same books to the last bit. In `compiled` traffic is one process: it asks
for the time of the next event, has the kernel play everything before it, and sleeps until then, last in line at that instant.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, cast

import simpy

from ..core.clock import ARRIVAL, DONE, GRANT, LEAVE, Clock
from ..core.compiled import entry
from ..core.errors import PolicyError
from ..delivery.fleet import Pool
from ..delivery.queue import Queue, Servers
from ..requests.traffic import NEVER
from .blocks import BASE, NEXT, SCORED
from .exchange import Exchange
from .serve import column_of, enter, finish, leave, serve, start
from .state import CAST_BY, Control, State
from .walk import ALL, ASKING, FAULTY, REACHED, walk

FAULT, DEADLINE = int(Control.FAULT), int(Servers.DEADLINE)  # as in `blocks`


class Engine(Protocol):
    """Plays the requests of a world, from its making on."""

    def __init__(self, env: Clock, exchange: Exchange) -> None: ...

    def placed_anew(self) -> None:
        """Requests that have not come yet have other times."""

    def resized(self, servers: int) -> None:
        """So many servers work from now on."""


def between_events(
    env: Clock, play: Callable[[int], int | None], ask: Callable[[], Generator[simpy.Event, Any, None]]
) -> Generator[simpy.Event, Any, None]:
    """Traffic as one process: plays everything up to the next event, then sleeps until all of that instant have acted.

    `play` may stop before, at a time at which somebody must be asked.
    """
    yield env.at(0, ARRIVAL)
    while (until := env.next_event()) is not None:
        while (stopped := play(until)) is not None:
            yield env.at(stopped, ARRIVAL)
            yield from ask()
        yield env.at(until, ARRIVAL)


class Compiled:
    """Blocks of requests in one compiled call."""

    def __init__(self, env: Clock, exchange: Exchange) -> None:
        self._env, self._exchange = env, exchange
        if exchange.line is None:
            self._walk = entry(walk, 0, 0, exchange.addressed)
        else:
            self._serve = entry(serve, 0, 0, exchange.addressed, exchange.line)
        env.own(between_events(env, self._play_all, exchange.ask))

    def placed_anew(self) -> None:
        """It looks at times whenever it goes on."""

    def resized(self, servers: int) -> None:
        """It looks at the servers whenever it goes on."""

    def _play_all(self, until: int) -> int | None:
        self._exchange.blocks.let_draw()
        while (status := self._play(until)) != REACHED:
            if status == FAULTY:
                blame(self._exchange)
            if status == ASKING:
                return self._exchange.asked_us
            self._exchange.score()
        return None

    def _play(self, until: int) -> int:
        exchange = self._exchange
        if exchange.line is None:
            return int(self._walk(until, ALL, exchange.addressed))
        return int(self._serve(int(self._env.now), until, exchange.addressed, exchange.line))


class Events:
    """Each request a process; where there are servers it waits for one, a resource of SimPy."""

    def __init__(self, env: Clock, exchange: Exchange) -> None:
        self._env, self._exchange = env, exchange
        self._pool: Pool | None = None
        if (line := exchange.line) is None:
            self._walk = entry(walk, 0, 0, exchange.addressed)
        else:
            self._pool, both = Pool(env, int(line.value.control[Servers.CAPACITY])), (exchange.addressed, line)
            self._find, self._enter = entry(column_of, 0, 0, line), entry(enter, 0, 0, *both)
            self._start, self._leave = entry(start, 0, 0, *both), entry(leave, 0, *both)
            self._finish = entry(finish, 0, 0, *both)
        self._chain = 0  # number of the chain of arrivals in force
        env.own(self._arrivals(self._chain))

    def placed_anew(self) -> None:
        """A new chain of arrivals starts, and the old one ends when it wakes."""
        self._chain += 1
        self._env.own(self._arrivals(self._chain))

    def resized(self, servers: int) -> None:
        """Those who wait are given new servers when the instant's control events have acted."""
        assert self._pool is not None
        self._pool.resize(servers)
        cast(Any, self._env.at(int(self._env.now), GRANT).callbacks).append(self._pool.grant)

    def _arrivals(self, chain: int) -> Generator[simpy.Event, Any, None]:
        """Starts a process for each request as it comes."""
        env, exchange = self._env, self._exchange
        if env.now == 0:
            yield env.at(0, ARRIVAL)
        while True:
            control = exchange.state.control
            if control[NEXT] == control[SCORED]:
                exchange.score()
            arrival = next_arrival(exchange.state)
            if arrival is None:
                return
            yield env.at(arrival, ARRIVAL)
            if chain != self._chain:
                return
            if self._pool is None:
                yield env.own(self._request())
                continue
            number = int(control[NEXT])
            control[NEXT] = number + 1
            if self._enter(number - control[BASE], number, exchange.addressed, exchange.line):
                env.own(self._visit(number, self._pool))

    def _request(self) -> Generator[simpy.Event, Any, None]:
        """A request without servers to wait for: it is settled as it arrives."""
        while (status := self._walk(int(self._env.now) + 1, 1, self._exchange.addressed)) != REACHED:
            if status == FAULTY:
                blame(self._exchange)
            yield from self._exchange.ask()

    def _visit(self, number: int, pool: Pool) -> Generator[simpy.Event, Any, None]:
        """A request that waits for a server, has it for a while, and is auctioned."""
        env, addressed, line = self._env, self._exchange.addressed, self._exchange.line
        column, queue = self._column(number)
        with pool.request(priority=int(queue.tier[column])) as server:
            if not server.triggered:
                deadline = int(queue.control[DEADLINE])
                yield server if deadline == NEVER else server | env.at(int(env.now) + deadline, LEAVE)
                column, queue = self._column(number)
                if not server.triggered:
                    self._leave(column, addressed, line)
                    return
            self._start(column, int(env.now), addressed, line)
            yield env.at(int(env.now) + int(queue.work[column]), DONE)
        column, _ = self._column(number)
        while not self._finish(column, int(env.now), addressed, line):
            yield from self._exchange.ask()
        if self._exchange.state.control[FAULT]:
            blame(self._exchange)

    def _column(self, number: int) -> tuple[int, Queue]:
        """Where a request under way is kept now: it moves when a block is drawn."""
        line = self._exchange.line
        assert line is not None
        return int(self._find(number, self._exchange.state.control[BASE], line)), line.value


ENGINES: dict[str, type[Compiled] | type[Events]] = {"compiled": Compiled, "events": Events}


def blame(exchange: Exchange) -> None:
    """Raises `PolicyError` naming whose rule has answered what is not allowed: a campaign's, a bucket's or an ad's."""
    k = int(exchange.state.control[FAULT]) - 1
    if k + 1 <= CAST_BY:
        assert exchange.creative_desk is not None
        exchange.creative_desk.blame(CAST_BY - k - 1)
    if k < 0:
        assert exchange.desk is not None
        exchange.desk.blame(-k - 2)
    for told in exchange.on_fault:
        told(k)
    raise PolicyError(f"the rule of campaign {exchange.market.campaigns.names[k]!r} bid a negative or non-finite amount")


def next_arrival(state: State) -> int | None:
    """When the next request of the block arrives, in microseconds; None if it never does."""
    control = state.control
    time = int(state.block.times[control[NEXT] - control[BASE]])
    return None if time == NEVER else time
