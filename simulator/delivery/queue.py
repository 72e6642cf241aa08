"""The servers that requests wait for: a queue with deadlines, tiers, outages and scaling, in both engines.

A request is auctioned when a server has worked on it, with the bids and budgets of that instant. It leaves the queue when it
has waited as long as the deadline; one answered later than that earns nothing and has used its server all the same. The engine
`compiled` plays the queue as a recursion over its events (`serve.serve`), `events` as a SimPy resource (`fleet.Pool`); what
happens to a request when it comes, starts, ends or leaves is the same compiled code.

At one instant control events act first, then free servers are granted, requests complete, others leave, and new ones arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.arrays import CHUNK, Integers
from ..core.books import Books, Tick
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel
from ..core.errors import InvariantError
from ..core.heap import Heap, copied, new_heap
from ..core.histogram import OCTAVE, quantile_us
from ..core.money import MICRO
from ..population.users import People
from ..requests.traffic import NEVER
from ..scenario.delivery import Funnel, Serving
from .quotas import Ladders, service_s

if TYPE_CHECKING:
    import pandas as pd


class Servers(IntEnum):
    """Places in Queue.control."""

    CAPACITY = 0  # servers that work
    STARTED = 1  # services so far
    DEADLINE = 2  # the longest a request waits, and its answer may take where surfaces have none of their own


class Served(IntEnum):
    """Places in Queue.books: what became of requests."""

    ARRIVED = 0
    AUCTIONED = 1
    LATE = 2  # answered after the deadline
    GAVE_UP = 3  # waited as long as the deadline
    BEGUN = 4  # services
    WAITED = 5  # how many of those begun had to
    STEPPED_DOWN = 6  # and how many got less than the full quotas
    WAIT_US = 7  # of those begun, summed
    WORK_US = 8
    CHARGED = 9  # for impressions and clicks of those auctioned, millionths
    OWED = 10  # for their conversions, when they are reported
    ASKED_US = 11  # work of those that came, had they the full level


BINS = 40 * OCTAVE  # of the histogram of latencies


class Queue(NamedTuple):
    """Requests under way, in the columns of `State`; n columns, T tiers, times in microseconds."""

    control: Integers  # (len(Servers),)
    request: Integers  # (n,) its number
    under_way: NDArray[np.bool_]  # (n,) waits or is served
    draw: NDArray[np.float64]  # (n,) how long a server takes, as a multiple of the mean of its level
    level: Integers  # (n,) of its tier's quotas, once it is started
    work: Integers  # (n,) how long a server takes, once it is started
    network: Integers  # (n,) how long the answer travels
    tier: Integers  # (n,) of traffic
    waiting: Integers  # (T, n) rings of columns
    head: Integers  # (T,) place of the first
    length: Integers  # (T,)
    done: Heap  # completions to come, one for each server at work: by time, then by order of start; each carries its column
    service: NDArray[np.float64]  # (T, levels) mean of what a server takes, under the quotas in force
    mean: NDArray[np.float64]  # (levels, n) the same under those with which a request's candidates were found
    after: Integers  # (T, levels) from which wait on; NEVER for a level that a tier does not have
    rows: Integers  # (levels + 1,) first row of a level's candidates in `State`
    books: Integers  # (T, len(Served)) since the start
    worth: NDArray[np.float64]  # (T, len(Worth)) to campaigns, since the start, currency
    latency: Integers  # (BINS,) histogram over requests answered, late ones too, by log2 of microseconds


KEPT = ("request", "draw", "level", "work", "network", "tier", "mean")  # of a request, in its column


def new_queue(settings: Serving, funnel: Funnel | None, tiers: int, rows: Integers) -> Queue:
    """An empty queue with room for a block of requests; `rows` are those of the levels of quotas, or of all campaigns."""
    n, levels = CHUNK, len(rows) - 1
    service, after = np.full((tiers, levels), settings.service_s), np.full((tiers, levels), NEVER)
    after[:, 0] = 0
    if funnel is not None:
        ladders = Ladders.of(funnel, tiers)
        service, after = service_s(settings, funnel, ladders.quotas), ladders.after_us
    control = np.zeros(len(Servers), np.int64)
    control[Servers.CAPACITY] = settings.servers
    control[Servers.DEADLINE] = NEVER if settings.deadline_s is None else round(settings.deadline_s * 1e6)
    return Queue(
        control,
        request=np.zeros(n, np.int64),
        under_way=np.zeros(n, np.bool_),
        draw=np.zeros(n),
        level=np.zeros(n, np.int64),
        work=np.zeros(n, np.int64),
        network=np.zeros(n, np.int64),
        tier=np.zeros(n, np.int64),
        waiting=np.zeros((tiers, n), np.int64),
        head=np.zeros(tiers, np.int64),
        length=np.zeros(tiers, np.int64),
        done=new_heap(n),
        service=service * 1e6,
        mean=np.zeros((levels, n)),
        after=after,
        rows=rows,
        books=np.zeros((tiers, len(Served)), np.int64),
        worth=np.zeros((tiers, 2)),
        latency=np.zeros(BINS, np.int64),
    )


def widened(queue: Queue, columns: int) -> Queue:
    """The same queue with room for so many requests."""
    more = columns - queue.request.size
    wide = {name: with_columns(getattr(queue, name), more) for name in (*KEPT, "under_way")}
    waiting = np.zeros((len(queue.head), columns), np.int64)
    for t, (first, length) in enumerate(zip(queue.head, queue.length, strict=True)):
        waiting[t, :length] = np.take(queue.waiting[t], np.arange(first, first + length), mode="wrap")
    queue.head[:] = 0
    return queue._replace(waiting=waiting, done=copied(queue.done, columns), **wide)


def moved(queue: Queue, old: Integers, new: Integers) -> None:
    """Requests under way go from columns to other, free ones."""
    for array in (getattr(queue, name) for name in KEPT):
        array[..., new] = array[..., old]
    queue.under_way[old], queue.under_way[new] = False, True
    goes_to = np.arange(queue.request.size)
    goes_to[old] = new
    for column in (queue.waiting, queue.done.first):
        column[:] = goes_to[column]


class Demands:
    """What the requests of a block will ask of the servers: a function of their numbers and users, and of the seed."""

    def __init__(self, settings: Serving, users: People, keys: NDArray[np.uint64]) -> None:
        self._keys, self._segment, self._tiers = keys, users.segment, users.tier
        self._network = settings.network_s * 1e6
        self._fixed = settings.service == "fixed"

    def fill(self, first: int, users: Integers, queue: Queue) -> None:
        """Draw, way and tier of requests first, first + 1, ... in the first columns; see `price` for what they cost."""
        _demand(
            self._keys, first, users, self._segment, self._tiers, self._fixed, self._network, queue.draw, queue.network,
            queue.tier,
        )  # fmt: skip


def with_columns(array: NDArray[Any], more: int) -> NDArray[Any]:
    """The same array with more columns; one without any stays so."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, more)]) if array.size else array


def price(queue: Queue, block: slice) -> None:
    """Notes what requests of a block will cost a server, whose candidates are found under the quotas in force."""
    queue.mean[:, block] = queue.service.T[:, queue.tier[block]]


@kernel(nogil=True)
def _demand(
    keys: Any, first: Any, users: Any, segment: Any, tiers: Any, fixed: Any, way: Any, draw: Any, network: Any, tier: Any
) -> None:
    for j in range(users.size):
        draw[j] = 1.0 if fixed else -np.log(uniform(keys[Stream.SERVICE], first + j, 0))
        network[j] = np.int64(-way * np.log(uniform(keys[Stream.NETWORK], first + j, 0)))
        tier[j] = tiers[segment[users[j]]]


@inlined
def first_waiting(queue: Any) -> Any:
    """The first tier in which a request waits; -1 if none does."""
    for tier in range(queue.length.size):
        if queue.length[tier] > 0:
            return tier
    return -1


@inlined
def next_of(tier: Any, queue: Any) -> Any:
    """Takes the first request off the ring of a tier; returns its column."""
    place = queue.head[tier]
    queue.head[tier] = (place + 1) % queue.waiting.shape[1]
    queue.length[tier] -= 1
    return queue.waiting[tier, place]


def revenue_of(books: Integers) -> NDArray[np.float64]:
    """Currency that books (..., len(Served)) say was charged, or is owed for conversions; (...)."""
    revenue: NDArray[np.float64] = (books[..., Served.CHARGED] + books[..., Served.OWED]) / MICRO
    return revenue


class ServingBooks(Books):
    """What the servers did in each closed tick; read it with `to_frame`, or through its arrays (ticks, ...); T tiers.

    `server_us` says how long servers have worked or could have, together, since it was asked before, microseconds.
    """

    def __init__(
        self, ticks: int, tick_us: int, ticks_per_day: int, line: Addressed[Queue], server_us: Callable[[], int]
    ) -> None:
        self._line, self._server_us = line, server_us
        self.closed, self.tick_us, self.ticks_per_day = 0, tick_us, ticks_per_day
        tiers = len(line.value.books)
        self.by_tier = np.zeros((ticks, tiers, len(Served)), np.int64)  # of requests of each traffic tier
        self.counts = np.zeros((ticks, len(Served)), np.int64)  # of all
        self._books, self._worth = np.zeros_like(line.value.books), np.zeros_like(line.value.worth)  # at the last tick's end
        self.worth = np.zeros((ticks, tiers, 2))  # believed and true, of impressions to campaigns, currency
        self.latency = np.zeros((ticks, BINS), np.int32)
        self._latency = np.zeros(BINS, np.int64)  # of all closed ticks
        self.capacity = np.zeros(ticks)  # servers that worked or could have, mean over a tick
        self.under_way = np.zeros(ticks, np.int64)  # requests that wait or are served at the end of a tick

    def close_tick(self, tick: Tick) -> None:
        """Books the tick that ends.

        Raises:
            InvariantError: if a request is lost.
        """
        row, queue = tick.number, self._line.value
        before = self.under_way[row - 1] if row else 0
        self.by_tier[row], self.worth[row] = queue.books - self._books, queue.worth - self._worth
        self._books, self._worth = queue.books.copy(), queue.worth.copy()
        self.counts[row], self.latency[row] = self.by_tier[row].sum(axis=0), queue.latency
        self.capacity[row], self.under_way[row] = self._server_us() / self.tick_us, np.count_nonzero(queue.under_way)
        books = self.counts[row].tolist()
        gone = books[Served.AUCTIONED] + books[Served.LATE] + books[Served.GAVE_UP]
        if before + books[Served.ARRIVED] - gone != self.under_way[row]:
            raise InvariantError("requests that came, went and are under way do not add up")
        self._latency += queue.latency
        queue.latency[:] = 0
        self.closed += 1

    @property
    def so_far(self) -> Integers:
        """What became of requests since the start, the tick under way among it, (T, len(Served)); of one's own."""
        return self._line.value.books.copy()

    def utilisation(self) -> tuple[float, float]:
        """How well servers of the closed ticks were used, and by how much more was asked of them, as shares of what they can.

        Means over ticks of min(C, M) / M and of max(C - M, 0) / M (MaRCA, arXiv 2512.24325), C the server seconds that requests
        asked for under the full level of the quotas they met, M those there were; ticks without servers do not count.
        """
        could = self.capacity[: self.closed] * self.tick_us
        asked = self.counts[: self.closed, Served.ASKED_US]
        there = could > 0
        if not there.any():
            return 0.0, 0.0
        share = asked[there] / could[there]
        return float(np.minimum(share, 1.0).mean()), float(np.maximum(share - 1.0, 0.0).mean())

    def quantiles(self, share: float, ticks: slice | None = None) -> float:
        """Milliseconds that a share of the answers of some ticks, by default of all, took at most, to 2%; NaN if none was."""
        cases = self._latency if ticks is None else self.latency[: self.closed][ticks].sum(axis=0)
        return quantile_us(cases, share) / 1000

    def to_frame(self) -> pd.DataFrame:
        """A row per tick; `by_tier` has what it counts for each traffic tier.

        Columns: day, tick (of the day); requests, served (auctioned), late (answered after the deadline), left (waited as
        long as the deadline), under_way (at the tick's end); servers (mean over the tick); load (work begun over the
        servers' time);
        waited (share of those begun that had to); stepped_down (share that got less than the full quotas); wait_ms (mean
        of those begun); revenue (charged, and owed for conversions to be reported, currency); p50_ms, p95_ms, p99_ms of
        latency, wait, work and way together.
        """
        import pandas as pd

        counts, index = self.counts[: self.closed], np.arange(self.closed)
        begun = np.maximum(counts[:, Served.BEGUN], 1)
        frame = pd.DataFrame(
            {
                "day": index // self.ticks_per_day,
                "tick": index % self.ticks_per_day,
                "requests": counts[:, Served.ARRIVED],
                "served": counts[:, Served.AUCTIONED],
                "late": counts[:, Served.LATE],
                "left": counts[:, Served.GAVE_UP],
                "under_way": self.under_way[: self.closed],
                "servers": self.capacity[: self.closed],
                "load": counts[:, Served.WORK_US] / np.maximum(self.capacity[: self.closed] * self.tick_us, 1),
                "waited": counts[:, Served.WAITED] / begun,
                "stepped_down": counts[:, Served.STEPPED_DOWN] / begun,
                "wait_ms": counts[:, Served.WAIT_US] / begun / 1000,
                "revenue": revenue_of(counts),
            }
        )
        for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            frame[name] = [quantile_us(row, share) / 1000 for row in self.latency[: self.closed]]
        return frame
