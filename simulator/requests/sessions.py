"""Requests in sessions: when users come and how far they would watch, and how ads that bore cut that short.

What users would do without ads is drawn beforehand, whatever policies do: sessions start as a Poisson process, each a number
of requests with videos between them. The kernel plays that plan request by request: a user who has had too much of the ads of
other days does not come, one who is bored leaves, and the requests they would have made are not made.

A run begins at midnight in the middle of things: sessions of the evening before are under way.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, uniform, uniforms
from ..core.compiled import inlined, kernel, spelt_out
from ..core.heap import Heap, copied, new_heap, pop, push
from ..population.temper import Temper
from ..population.users import People
from ..scenario.people import Sessions
from .traffic import NEVER, Intensity, place, user_of

NOBODY: Floats = np.zeros(0)
NOBODY.flags.writeable = False  # as what it stands for, which is the market's
UNFINISHED = 1e-3  # share of the sessions begun so long before a run that it knows nothing of them that would last into it


class Plan(NamedTuple):
    """Sessions that have started and not ended."""

    started: Integers  # (1,) sessions so far
    epoch: Floats  # (1,) unit-rate sum at which the next one starts
    under_way: Heap  # by the time of their next request and their number; each carries the place of that request, and its user


def ticks_before(settings: Sessions, tick_us: int) -> int:
    """How many ticks before a run sessions begin that may last into it: but `UNFINISHED` of those begun earlier do not."""
    page_us = settings.videos * settings.video_s * 1e6
    return math.ceil(-math.log(UNFINISHED) * settings.mean_requests * page_us / tick_us)


class Planner:
    """Draws blocks of requests in sessions; can draw the block under way again after a surge.

    `under_way` are the numbers of the sessions of the evening before that would last into the run, (n,), in rising order,
    `boredom` and `gone` what has become of them by then; see `plan_evening_before`.
    """

    def __init__(
        self, settings: Sessions, even: bool, keys: NDArray[np.uint64], users: People, tick_us: int, intensity: Intensity,
        ads: float, temper: Temper | None,
    ) -> None:  # fmt: skip
        self._settings, self._even, self._keys, self._tick_us = settings, even, keys, tick_us
        self._who = users.segment_share, users.segment_start, users.alias_share, users.alias_user
        power = 1.0 if settings.patience is None else settings.patience.power
        gap, own_rate = np.zeros(1), NOBODY if temper is None else temper.rate
        uniforms(keys[Stream.GAP], 0, 1, 0, gap)
        room = found = 0
        while found >= room:  # with more room, as often as it takes
            room = 2 * found + 1
            self._plan = Plan(np.zeros(1, np.int64), np.zeros(1), new_heap(room))
            self._plan.epoch[0] = 0.5 if even else -math.log(gap[0])
            number, boredom, gone = np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.bool_)
            found = plan_evening_before(
                keys, even, tick_us, *self._rates(intensity), *self._who, 1 / settings.mean_requests, settings.videos,
                settings.video_s * 1e6, ads, settings.leave_rate, power, own_rate, settings.boredom_kept, settings.visit_share,
                self._plan, number, boredom, gone,
            )  # fmt: skip
        self.under_way, self.boredom, self.gone = number[:found], boredom[:found], gone[:found]
        self._before = self._plan

    def _rates(self, intensity: Intensity) -> tuple[Integers, Floats, Floats]:
        """The intensity at which sessions begin."""
        mean = self._settings.mean_requests
        return intensity.time, intensity.total / mean, intensity.rate / mean

    @property
    def started(self) -> int:
        """Sessions that have started by the end of the block under way."""
        return int(self._plan.started[0])

    def oldest(self) -> int:
        """The first session that can still make a request after the block under way."""
        under_way = self._plan.under_way
        live = int(under_way.size[0])
        return int(under_way.number[:live].min()) if live else self.started

    def next_block(
        self, intensity: Intensity, now: int, times: Integers, users: Integers, session: Integers, page: Integers
    ) -> None:
        """Draws the next requests, as many as `users` has room for; none of them comes before `now`."""
        live = int(self._plan.under_way.size[0])
        room = live + users.size
        self._before = _copied(self._plan, live)
        if self._plan.under_way.time.size < room:
            self._plan = _copied(self._plan, 2 * room)
        self._draw(intensity, 0, now, times, users, session, page)

    def again(
        self, intensity: Intensity, start: int, now: int, times: Integers, users: Integers, session: Integers, page: Integers
    ) -> None:
        """Draws the block under way once more; requests from place `start` on do not come before `now`, the others stay."""
        self._plan = _copied(self._before, self._plan.under_way.time.size)
        self._draw(intensity, start, now, times, users, session, page)

    def _draw(self, intensity: Intensity, start: int, now: int, *block: Integers) -> None:
        plan_block(
            self._keys, self._even, start, now, self._tick_us, *self._rates(intensity), *self._who,
            1 / self._settings.mean_requests, self._settings.videos, self._settings.video_s * 1e6, self._plan, *block,
        )  # fmt: skip


def _copied(plan: Plan, room: int) -> Plan:
    """A copy of a plan with room for so many sessions."""
    return Plan(plan.started.copy(), plan.epoch.copy(), copied(plan.under_way, room))


@kernel(nogil=True)
def plan_block(
    keys: Any, even: Any, start: Any, now: Any, tick_us: Any, time: Any, total: Any, rate: Any, segment_share: Any,
    segment_start: Any, alias_share: Any, alias_user: Any, ending: Any, videos: Any, video_us: Any, plan: Any, times: Any,
    users: Any, session: Any, page: Any,
) -> None:  # fmt: skip
    """Fills a block with the next requests of all sessions in the order of time; see `Planner` and `traffic.arrive`."""
    under_way, knot = plan.under_way, 0
    for j in range(users.size):
        starts, knot = place(plan.epoch[0], 0, knot, time, total, rate)
        if under_way.size[0] > 0 and under_way.time[0] < starts:
            at, number, place_, user = pop(under_way)
        elif starts == NEVER:
            times[j], users[j], session[j], page[j] = NEVER, 0, plan.started[0], 0
            continue
        else:
            at, number, place_ = starts, plan.started[0], np.int64(0)
            user = user_of(keys, number, at // tick_us, segment_share, segment_start, alias_share, alias_user)
            plan.started[0] = number + 1
            plan.epoch[0] += 1.0 if even else -math.log(uniform(keys[Stream.GAP], number + 1, 0))
        times[j] = max(at, now) if j >= start else at
        users[j], session[j], page[j] = user, number, place_
        if uniform(keys[Stream.LENGTH], number, place_) >= ending:
            push(at + watching_us(number, place_, videos, video_us, keys), number, place_ + 1, user, under_way)


@kernel(nogil=True)
def plan_evening_before(
    keys: Any, even: Any, tick_us: Any, time: Any, total: Any, rate: Any, segment_share: Any, segment_start: Any,
    alias_share: Any, alias_user: Any, ending: Any, videos: Any, video_us: Any, ads: Any, leave_rate: Any, power: Any,
    own_rate: Any, boredom_kept: Any, visit_share: Any, plan: Any, number_of: Any, boredom_of: Any, gone_of: Any,
) -> Any:  # fmt: skip
    """Starts the sessions that begin before time 0; those that would last beyond it go on the heap, if there is room.

    Returns how many these are, and fills (room,) arrays with their numbers, the boredom of their users, and whether these have
    left or never came: what `visits.user_is_there` would have made of new users who saw `ads` ads at each request and clicked
    none.
    """
    knot, found = 0, 0
    while True:
        at, knot = place(plan.epoch[0], time[0], knot, time, total, rate)
        if at >= 0:
            return found
        number, page, boredom = plan.started[0], np.int64(0), 0.0
        user = user_of(keys, number, at // tick_us, segment_share, segment_start, alias_share, alias_user)
        plan.started[0] = number + 1
        plan.epoch[0] += 1.0 if even else -math.log(uniform(keys[Stream.GAP], number + 1, 0))
        gone = uniform(keys[Stream.VISIT], number, 0) >= visit_share
        while at < 0:
            if page > 0:
                hazard = leave_rate * own_rate[user] if own_rate.size > 0 else leave_rate
                gone |= uniform(keys[Stream.LEAVE], number, page) >= math.exp(-hazard * strain(boredom, power))
            boredom = boredom * boredom_kept + ads
            if uniform(keys[Stream.LENGTH], number, page) < ending:
                break
            at += watching_us(number, page, videos, video_us, keys)
            page += 1
        if at >= 0:
            if found < number_of.size:
                number_of[found], boredom_of[found], gone_of[found] = number, boredom, gone
                push(at, number, page, user, plan.under_way)
            found += 1


@spelt_out
def strain(boredom: Any, power: Any) -> Any:
    """What boredom adds to the hazard of leaving, for each unit of a user's rate."""
    return boredom if power == 1.0 else boredom * boredom if power == 2.0 else boredom**power


@inlined
def watching_us(number: Any, page: Any, videos: Any, video_us: Any, keys: Any) -> Any:
    """How long the user of a session watches after its request in place `page`, before the next, in microseconds."""
    watched = 0.0
    for video in range(videos):
        watched -= math.log(uniform(keys[Stream.DWELL], number, page * 64 + video))
    return max(np.int64(1), np.int64(watched * video_us))
