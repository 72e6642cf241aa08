"""The queue as a recursion over its events."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import CHUNK
from ..core.compiled import inlined, kernel
from ..core.heap import pop, push
from ..core.histogram import count_time
from ..delivery.queue import Served, Servers, first_waiting, next_of
from ..requests.surfaces import SurfaceCount, count_request, has_surfaces
from ..requests.traffic import NEVER
from ..response.visits import has_sessions, user_is_there
from .state import Control, Taking, Worth, pass_over
from .walk import ASKING, FAULTY, HUNGRY, REACHED, conclude, find_alone

# What happens to a request; both engines do this, in the order of their own queue.


@inlined
def enter_queue(column: Any, i: Any, state: Any, queue: Any) -> Any:
    """Request i is due; returns whether it comes."""
    if has_sessions(state) and not user_is_there(i, column, state):
        pass_over(state)
        return False
    queue.request[column], queue.under_way[column] = i, True
    queue.books[queue.tier[column], Served.ARRIVED] += 1
    count_request(SurfaceCount.REQUESTS, column, state)
    queue.books[queue.tier[column], Served.ASKED_US] += np.int64(queue.mean[0, column] * queue.draw[column])
    return True


@inlined
def start_service(column: Any, now: Any, state: Any, queue: Any) -> None:
    """A server takes it up, and does as much work on it as its tier and its wait leave quotas for."""
    wait, level, tier = now - state.block.times[column], 0, queue.tier[column]
    while level + 1 < queue.after.shape[1] and wait >= queue.after[tier, level + 1]:
        level += 1
    queue.level[column] = level
    queue.work[column] = max(np.int64(1), np.int64(queue.mean[level, column] * queue.draw[column]))
    books = queue.books[tier]
    books[Served.STEPPED_DOWN] += level > 0
    books[Served.BEGUN] += 1
    books[Served.WAITED] += wait > 0
    books[Served.WAIT_US] += wait
    books[Served.WORK_US] += queue.work[column]


@inlined
def give_up(column: Any, state: Any, queue: Any) -> None:
    """It has waited for too long."""
    queue.under_way[column] = False
    queue.books[queue.tier[column], Served.GAVE_UP] += 1
    count_request(SurfaceCount.GAVE_UP, column, state)


@inlined
def finish_service(column: Any, now: Any, state: Any, queue: Any) -> Any:
    """Its service is complete: it is auctioned, if the answer will be in time.

    Returns False if whoever runs the world must first say how its page is allocated; called again it goes on from there.
    """
    tier, control = queue.tier[column], state.control
    answered = control[Control.PENDING] == column + 1
    if not answered and not begin_auction(column, now, state, queue):
        return True
    control[Control.PENDING], control[Control.PENDING_US] = column + 1, now
    if not conclude(queue.request[column], column, now, answered, state):
        return False
    control[Control.PENDING] = 0
    takings, worth = state.tally.takings, state.tally.worth
    queue.books[tier, Served.CHARGED] += takings[Taking.CHARGED]
    queue.books[tier, Served.OWED] += takings[Taking.OWED]
    queue.worth[tier, Worth.BELIEVED] += worth[Worth.BELIEVED]
    queue.worth[tier, Worth.TRUE] += worth[Worth.TRUE]
    return True


@inlined
def begin_auction(column: Any, now: Any, state: Any, queue: Any) -> Any:
    """Finds the best bids for a request whose service is complete; returns whether the answer will be in time."""
    tier = queue.tier[column]
    queue.under_way[column] = False
    latency = now - state.block.times[column] + queue.network[column]
    count_time(latency, queue.latency)
    limit = queue.control[Servers.DEADLINE]
    if has_surfaces(state):
        limit = state.surfaces.deadline[state.block.surface[column]]
    if latency > limit:
        queue.books[tier, Served.LATE] += 1
        count_request(SurfaceCount.LATE, column, state)
        return False
    queue.books[tier, Served.AUCTIONED] += 1
    level, takings, worth = queue.level[column], state.tally.takings, state.tally.worth
    takings[:] = 0
    worth[:] = 0.0
    find_alone(queue.request[column], column, now, queue.rows[level], queue.rows[level + 1], state)
    return True


@kernel()
def column_of(i: Any, base: Any, queue: Any) -> Any:
    """The column in which request i is kept."""
    if i >= base:
        return i - base
    for column in range(CHUNK, queue.request.size):
        if queue.request[column] == i and queue.under_way[column]:
            return column
    return -1


# The queue as a recursion over its events, for the engine "compiled".


@inlined
def begin_service(column: Any, now: Any, state: Any, queue: Any) -> None:
    """Starts a service and puts its completion on the heap."""
    start_service(column, now, state, queue)
    number = queue.control[Servers.STARTED]
    queue.control[Servers.STARTED] = number + 1
    push(now + queue.work[column], number, column, 0, queue.done)


@inlined
def grant_servers(now: Any, state: Any, queue: Any) -> None:
    """Gives free servers to those who wait."""
    while queue.done.size[0] < queue.control[Servers.CAPACITY]:
        tier = first_waiting(queue)
        if tier < 0:
            break
        begin_service(next_of(tier, queue), now, state, queue)


@kernel(nogil=True)
def serve(now: Any, until: Any, state: Any, queue: Any) -> Any:
    """Plays all that happens to requests from `now` until before `until`; returns what `walk` does."""
    control, times = state.control, state.block.times
    finished, ended = control[Control.PENDING] - 1, control[Control.PENDING_US]  # who waits for an answer
    if finished < 0:
        grant_servers(now, state, queue)
    while True:
        if control[Control.FAULT] != 0:
            return FAULTY
        if finished < 0:
            i = control[Control.NEXT]
            if i >= control[Control.SCORED]:
                return HUNGRY
            column = i - control[Control.BASE]
            arrival = times[column]
            done = queue.done.time[0] if queue.done.size[0] > 0 else NEVER
            gone, tier_of = NEVER, 0
            for tier in range(queue.length.size):
                if queue.length[tier] > 0:
                    patience = times[queue.waiting[tier, queue.head[tier]]] + queue.control[Servers.DEADLINE]
                    if patience < gone:
                        gone, tier_of = patience, tier
            if min(done, gone, arrival) >= until:
                return REACHED
            if done <= gone and done <= arrival:
                _, _, finished, _ = pop(queue.done)
                ended = done
                grant_servers(done, state, queue)
            elif gone <= arrival:
                give_up(next_of(tier_of, queue), state, queue)
            else:
                control[Control.NEXT] = i + 1
                if not enter_queue(column, i, state, queue):
                    continue
                if queue.done.size[0] < queue.control[Servers.CAPACITY]:
                    begin_service(column, arrival, state, queue)
                else:
                    tier = queue.tier[column]
                    queue.waiting[tier, (queue.head[tier] + queue.length[tier]) % queue.waiting.shape[1]] = column
                    queue.length[tier] += 1
        if finished >= 0:
            if not finish_service(finished, ended, state, queue):
                return ASKING
            finished = np.int64(-1)


# The engine "events" calls each by itself.
enter, start, leave, finish = (kernel()(piece.py_func) for piece in (enter_queue, start_service, give_up, finish_service))
