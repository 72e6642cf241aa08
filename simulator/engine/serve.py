"""The queue as a recursion over its events."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.addressed import value_of
from ..core.arrays import CHUNK
from ..core.compiled import inlined, kernel
from ..delivery.queue import (
    ARRIVED,
    ASKED,
    BEGUN,
    BINS,
    BUSY,
    CAPACITY,
    DEADLINE,
    LATE,
    LEFT,
    OCTAVE,
    SERVED,
    STARTED,
    STEPPED_DOWN,
    WAIT_US,
    WAITED,
    WORK_US,
    end,
    first_waiting,
    next_of,
)
from ..requests import surfaces as P
from ..requests.surfaces import count_request
from ..requests.traffic import NEVER
from ..response.visits import comes
from . import state as K
from .walk import FAULTY, HUNGRY, REACHED, play_alone

# What happens to a request; both engines call these, in the order of their own queue. `held` is the state, `line` the queue.


@kernel()
def enter(column: Any, i: Any, held: Any, line: Any) -> Any:
    """Request i is due; returns whether it comes."""
    state, queue = value_of(held), value_of(line)
    if state.session.size > 0 and not comes(i, column, state):
        K.pass_over(state)
        return False
    queue.request[column], queue.under_way[column] = i, True
    queue.books[ARRIVED] += 1
    count_request(P.REQUESTS, column, state)
    queue.control[ASKED] += np.int64(queue.service[queue.tier[column], 0] * queue.draw[column])
    return True


@kernel()
def start(column: Any, now: Any, held: Any, line: Any) -> None:
    """A server takes it up, and does as much work on it as its tier and its wait leave quotas for."""
    state, queue = value_of(held), value_of(line)
    wait, level, tier = now - state.times[column], 0, queue.tier[column]
    while level + 1 < queue.after.shape[1] and wait >= queue.after[tier, level + 1]:
        level += 1
    queue.level[column] = level
    queue.work[column] = max(np.int64(1), np.int64(queue.service[tier, level] * queue.draw[column]))
    queue.books[STEPPED_DOWN] += level > 0
    queue.books[BEGUN] += 1
    queue.books[WAITED] += wait > 0
    queue.books[WAIT_US] += wait
    queue.books[WORK_US] += queue.work[column]


@kernel()
def leave(column: Any, held: Any, line: Any) -> None:
    """It has waited for too long."""
    state, queue = value_of(held), value_of(line)
    queue.under_way[column] = False
    queue.books[LEFT] += 1
    count_request(P.LEFT, column, state)


@kernel()
def finish(column: Any, now: Any, held: Any, line: Any) -> None:
    """Its service is complete: it is auctioned, if the answer will be in time."""
    state, queue = value_of(held), value_of(line)
    queue.under_way[column] = False
    latency = now - state.times[column] + queue.network[column]
    queue.latency[min(np.int64(np.log2(np.float64(latency)) * OCTAVE), BINS - 1)] += 1
    limit = queue.control[DEADLINE]
    if state.surface.size > 0:
        limit = state.surfaces.deadline[state.surface[column]]
    if latency > limit:
        queue.books[LATE] += 1
        count_request(P.LATE, column, state)
        return
    queue.books[SERVED] += 1
    level = queue.level[column]
    play_alone(queue.request[column], column, now, queue.rows[level], queue.rows[level + 1], held)


@kernel()
def column_of(i: Any, base: Any, line: Any) -> Any:
    """The column in which request i is kept."""
    queue = value_of(line)
    if i >= base:
        return i - base
    for column in range(CHUNK, queue.request.size):
        if queue.request[column] == i and queue.under_way[column]:
            return column
    return -1


# The queue as a recursion over its events, for the engine "compiled".


@inlined
def begin(column: Any, now: Any, held: Any, line: Any) -> None:
    """Starts a service and puts its end on the heap."""
    start(column, now, held, line)
    queue = value_of(line)
    control, time, order, whose = queue.control, queue.done_time, queue.done_order, queue.done_column
    place, due, number = control[BUSY], now + queue.work[column], control[STARTED]
    control[BUSY], control[STARTED] = place + 1, number + 1
    while place > 0:  # a later start never goes before an equal time
        above = (place - 1) // 2
        if time[above] <= due:
            break
        time[place], order[place], whose[place] = time[above], order[above], whose[above]
        place = above
    time[place], order[place], whose[place] = due, number, column


@inlined
def grant(now: Any, held: Any, line: Any) -> None:
    """Gives free servers to those who wait."""
    queue = value_of(line)
    while queue.control[BUSY] < queue.control[CAPACITY]:
        tier = first_waiting(queue)
        if tier < 0:
            break
        begin(next_of(tier, queue), now, held, line)


@kernel()
def serve(now: Any, until: Any, held: Any, line: Any) -> Any:
    """Plays all that happens to requests from `now` until before `until`; returns what `kernel.walk` does."""
    state, queue = value_of(held), value_of(line)
    control, times = state.control, state.times
    grant(now, held, line)
    while True:
        if control[K.FAULT] != 0:
            return FAULTY
        i = control[K.NEXT]
        if i >= control[K.SCORED]:
            return HUNGRY
        column = i - control[K.BASE]
        arrival = times[column]
        done = queue.done_time[0] if queue.control[BUSY] > 0 else NEVER
        gone, whose = NEVER, 0
        for tier in range(queue.length.size):
            if queue.length[tier] > 0:
                patience = times[queue.waiting[tier, queue.head[tier]]] + queue.control[DEADLINE]
                if patience < gone:
                    gone, whose = patience, tier
        if min(done, gone, arrival) >= until:
            return REACHED
        if done <= gone and done <= arrival:
            finished = end(queue)
            grant(done, held, line)
            finish(finished, done, held, line)
        elif gone <= arrival:
            leave(next_of(whose, queue), held, line)
        else:
            control[K.NEXT] = i + 1
            if not enter(column, i, held, line):
                continue
            if queue.control[BUSY] < queue.control[CAPACITY]:
                begin(column, arrival, held, line)
            else:
                tier = queue.tier[column]
                queue.waiting[tier, (queue.head[tier] + queue.length[tier]) % queue.waiting.shape[1]] = column
                queue.length[tier] += 1
