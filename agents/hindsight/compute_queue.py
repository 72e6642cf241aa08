"""A stand-in for a market of servers, some hundred times as fast: the same queue, with averages in the place of auctions.

Requests wait, are served, step down and give up as `engine.serve` has it, to the microsecond; a plan says for each interval and
tier which of some options of depth is in force. Plans are searched here, and then played in the market itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.compiled import inlined, kernel
from ...simulator.core.heap import Heap, new_heap, pop, push
from ...simulator.delivery.queue import Served
from ...simulator.requests.traffic import NEVER


class Day(NamedTuple):
    """What a judge knows of a run: n requests in the order in which they come, T tiers, times in microseconds."""

    times: Integers  # (n,) of arrival
    tier: Integers  # (n,)
    draw: Floats  # (n,) how long a server takes, as a multiple of the mean
    network: Integers  # (n,) how long the answer travels
    limit: Integers  # (n,) how late it may be
    worth: Floats  # (n,) what requests of its tier are worth when it comes, as a multiple of what they earn at worth 1
    interval: Integers  # (n,) in which it comes
    order: Integers  # (n,) the requests of the first tier, then those of the next, each as they come
    first: Integers  # (T + 1,) where in it each tier begins
    change_us: Integers  # (c,) from when on, the first at 0,
    servers: Integers  # (c,) so many work
    every_us: int  # an interval
    horizon_us: int
    deadline_us: int  # the longest wait

    @property
    def intervals(self) -> int:
        """How many there are; the last may be shorter."""
        return -(-self.horizon_us // self.every_us)


class Options(NamedTuple):
    """What can be in force for a tier; T tiers, O options, L levels."""

    work_us: Floats  # (T, O, L) mean of what a server takes
    earned: Floats  # (T, O, L) revenue a request in time at worth 1, currency
    after_us: Integers  # (T, O, L) from which wait on


class Line(NamedTuple):
    """Requests under way at an instant, and what has become of those before."""

    place: Integers  # (3,) requests that have come, services begun, changes of servers that have been
    head: Integers  # (T,) place in `Day.order` of the first that waits
    tail: Integers  # (T,) and behind the last
    done: Heap  # completions to come, by time and then by order of start; each carries its request, and the level it is given
    books: Integers  # (T, len(Served)) as `queue.Queue` has them, but for money
    earned: Floats  # (1,) currency


COME, BEGUN, CHANGED = range(3)


def new_line(day: Day) -> Line:
    """Nobody has come."""
    tiers = day.first.size - 1
    heap, books = new_heap(int(day.servers.max()) + 1), np.zeros((tiers, len(Served)), np.int64)
    return Line(np.zeros(3, np.int64), day.first[:-1].copy(), day.first[:-1].copy(), heap, books, np.zeros(1))


@inlined
def begin(i: Any, now: Any, k: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """A server takes up request i."""
    tier, wait, level = day.tier[i], now - day.times[i], 0
    after = options.after_us[tier, plan[k, tier]]
    while level + 1 < after.size and wait >= after[level + 1]:
        level += 1
    mean = options.work_us[tier, plan[day.interval[i], tier], level]
    work = max(np.int64(1), np.int64(mean * day.draw[i]))
    books, number = line.books[tier], line.place[BEGUN]
    books[Served.STEPPED_DOWN] += level > 0
    books[Served.BEGUN] += 1
    books[Served.WAITED] += wait > 0
    books[Served.WAIT_US] += wait
    books[Served.WORK_US] += work
    line.place[BEGUN] = number + 1
    push(now + work, number, i, level, line.done)


@inlined
def grant(now: Any, k: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """Free servers take up those who wait, the first tier first."""
    capacity, tier = day.servers[line.place[CHANGED]], 0
    while tier < line.head.size and line.done.size[0] < capacity:
        if line.head[tier] == line.tail[tier]:
            tier += 1
            continue
        i = day.order[line.head[tier]]
        line.head[tier] += 1
        begin(i, now, k, plan, day, options, line)


@inlined
def finish(i: Any, level: Any, now: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """Request i is answered, and earns what such requests do if that is in time."""
    tier = day.tier[i]
    if now - day.times[i] + day.network[i] > day.limit[i]:
        line.books[tier, Served.LATE] += 1
        return
    line.books[tier, Served.AUCTIONED] += 1
    line.earned[0] += day.worth[i] * options.earned[tier, plan[day.interval[i], tier], level]


@inlined
def come(i: Any, k: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """Request i comes, and waits or is taken up at once."""
    tier = day.tier[i]
    line.place[COME] = i + 1
    line.tail[tier] += 1
    line.books[tier, Served.ARRIVED] += 1
    line.books[tier, Served.ASKED_US] += np.int64(options.work_us[tier, plan[k, tier], 0] * day.draw[i])
    if line.done.size[0] < day.servers[line.place[CHANGED]]:
        line.head[tier] += 1
        begin(i, day.times[i], k, plan, day, options, line)


@inlined
def play_until(now: Any, until: Any, k: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """Plays from `now` to before `until`, within interval k and with the same servers; `engine.serve.serve` is its model."""
    grant(now, k, plan, day, options, line)
    while True:
        i = line.place[COME]
        arrival = day.times[i] if i < day.times.size else NEVER
        done = line.done.time[0] if line.done.size[0] > 0 else NEVER
        gone, impatient = NEVER, 0
        for tier in range(line.head.size):
            if line.head[tier] < line.tail[tier]:
                patience = day.times[day.order[line.head[tier]]] + day.deadline_us
                if patience < gone:
                    gone, impatient = patience, tier
        if min(done, gone, arrival) >= until:
            return
        if done <= gone and done <= arrival:
            _, _, finished, level = pop(line.done)
            grant(done, k, plan, day, options, line)
            finish(finished, level, done, plan, day, options, line)
        elif gone <= arrival:
            line.head[impatient] += 1
            line.books[impatient, Served.GAVE_UP] += 1
        else:
            come(i, k, plan, day, options, line)


@kernel(nogil=True)
def play(start: Any, end: Any, plan: Any, day: Any, options: Any, line: Any) -> None:
    """Plays intervals from `start` up to `end`, from where the line is, under a plan (K, T): the options in force by tier."""
    for k in range(start, end):
        now, over = k * day.every_us, min((k + 1) * day.every_us, day.horizon_us)
        while now < over:
            following = line.place[CHANGED] + 1
            while following < day.change_us.size and day.change_us[following] <= now:
                line.place[CHANGED] = following
                following += 1
            until = over
            if following < day.change_us.size:
                until = min(over, day.change_us[following])
            play_until(now, until, k, plan, day, options, line)
            now = until


@inlined
def copy(line: Any, other: Any) -> None:
    """Makes another line the same, but for its books."""
    other.earned[0] = line.earned[0]
    for j in range(line.place.size):
        other.place[j] = line.place[j]
    for tier in range(line.head.size):
        other.head[tier], other.tail[tier] = line.head[tier], line.tail[tier]
    heap, twin = line.done, other.done
    twin.size[0] = heap.size[0]
    for j in range(heap.size[0]):
        twin.time[j], twin.number[j] = heap.time[j], heap.number[j]
        twin.first[j], twin.second[j] = heap.first[j], heap.second[j]


@inlined
def promise(start: Any, end: Any, plan: Any, day: Any, options: Any, line: Any, trial: Any) -> Any:
    """What will have been earned by the end of some intervals, if they are played from where the line is."""
    copy(line, trial)
    play(start, end, plan, day, options, trial)
    return trial.earned[0]


@kernel(nogil=True)
def improve(ahead: Any, plan: Any, day: Any, options: Any, line: Any, trial: Any) -> None:
    """Goes over a plan once, interval by interval and tier by tier, and puts in what earns most, all else as it is.

    What is earned in `ahead` intervals counts, the first of them the one that is changed; of equals the present option stays.
    """
    for k in range(plan.shape[0]):
        end = min(k + ahead, plan.shape[0])
        for tier in range(plan.shape[1]):
            best = plan[k, tier]
            most = promise(k, end, plan, day, options, line, trial)
            for option in range(options.earned.shape[1]):
                plan[k, tier] = option
                earned = promise(k, end, plan, day, options, line, trial)
                if earned > most:
                    best, most = option, earned
            plan[k, tier] = best
        play(k, k + 1, plan, day, options, line)
