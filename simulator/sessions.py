"""Requests in sessions: when users come and how far they would watch, and how ads that bore cut that short.

What users would do without ads is drawn beforehand, whatever policies do: sessions start as a Poisson process, each a number
of requests with videos between them. The kernel plays that plan request by request: a user who has had too much of the ads of
other days does not come, one who is bored leaves, and the requests they would have made are not made.

A run begins at midnight in the middle of things: sessions of the evening before are under way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chance import Stream, uniform, uniforms
from .compiled import inlined, kernel
from .habits import Sessions
from .population import Users, normal_draw
from .traffic import NEVER, Intensity, place, user_of

if TYPE_CHECKING:
    import pandas as pd

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# Rows of Visits.counts: sessions planned, visited and cut short; requests planned and made; ads seen and not clicked.
SESSIONS, VISITS, CUT, PLANNED, MADE, BORING, COUNTS = range(7)
# Rows of Visits.sums: what the videos of the requests made were worth; satisfaction of those who were to visit.
CONTENT, SATISFACTION, SUMS = range(3)
UNFINISHED = 1e-3  # share of the sessions begun so long before a run that it knows nothing of them that would last into it
PAGES = 64  # columns of Visits.pages: place of a request in its session; the last for all beyond
# Places in Plan.control.
STARTED, UNDER_WAY, CONTROLS = range(3)


class Visits(NamedTuple):
    """What the kernel knows of users' sessions; m a power of two, U users. Without any arrays: requests come by themselves."""

    gone: NDArray[np.bool_]  # (m,) the user of session number s has left, in place s modulo m
    boredom: Floats  # (m,)
    satisfaction: Floats  # (U,)
    at_midnight: Floats  # (U,)
    counts: Integers  # (COUNTS,) of the tick under way
    sums: Floats  # (SUMS,)
    pages: Integers  # (2, PAGES) requests planned and made of the whole run so far, by their place in the session
    leave_rate: float
    boredom_kept: float
    annoyance: float
    content_sigma: float
    satisfaction_rate: float
    visit_odds: float  # log-odds of a visit at satisfaction 1
    visit_slope: float


def new_visits(settings: Sessions | None, users: int) -> Visits:
    """Nobody has come yet, and everybody is as satisfied as without ads."""
    if settings is None:
        none, empty = np.zeros(0), np.zeros(0, np.int64)
        return Visits(np.zeros(0, np.bool_), none, none, none, empty, none, np.zeros((2, 0), np.int64), *(0.0,) * 7)
    return Visits(
        gone=np.zeros(1 << 12, np.bool_),
        boredom=np.zeros(1 << 12),
        satisfaction=np.ones(users),
        at_midnight=np.ones(users),
        counts=np.zeros(COUNTS, np.int64),
        sums=np.zeros(SUMS),
        pages=np.zeros((2, PAGES), np.int64),
        leave_rate=settings.leave_rate,
        boredom_kept=settings.boredom_kept,
        annoyance=settings.ad_annoyance,
        content_sigma=settings.content_sigma,
        satisfaction_rate=settings.satisfaction_rate,
        visit_odds=math.log(settings.visit_share / (1 - settings.visit_share)),
        visit_slope=settings.visit_slope,
    )


class Plan(NamedTuple):
    """Sessions that have started and not ended, a heap by the time of their next request and their number."""

    control: Integers  # (CONTROLS,)
    epoch: Floats  # (1,) unit-rate sum at which the next session starts
    time: Integers  # (room,)
    session: Integers
    page: Integers
    user: Integers


def ticks_before(settings: Sessions, tick_us: int) -> int:
    """How many ticks before a run sessions begin that may last into it: but `UNFINISHED` of those begun earlier do not."""
    page_us = settings.videos * settings.video_s * 1e6
    return math.ceil(-math.log(UNFINISHED) * settings.mean_requests * page_us / tick_us)


class Planner:
    """Draws blocks of requests in sessions; can draw the block under way again after a surge.

    `under_way` are the numbers of the sessions of the evening before that would last into the run, (n,), in rising order,
    `boredom` and `gone` what has become of them by then; see `begin`.
    """

    def __init__(
        self, settings: Sessions, even: bool, keys: NDArray[np.uint64], users: Users, tick_us: int, intensity: Intensity,
        ads: float,
    ) -> None:  # fmt: skip
        self._settings, self._even, self._keys, self._tick_us = settings, even, keys, tick_us
        self._who = users.segment_share, users.segment_start, users.alias_share, users.alias_user
        gap = np.zeros(1)
        uniforms(keys[Stream.GAP], 0, 1, 0, gap)
        room = found = 0
        while found >= room:  # with more room, as often as it takes
            room = 2 * found + 1
            self._plan = Plan(np.zeros(CONTROLS, np.int64), np.zeros(1), *(np.zeros(room, np.int64) for _ in range(4)))
            self._plan.epoch[0] = 0.5 if even else -math.log(gap[0])
            number, boredom, gone = np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.bool_)
            found = begin(
                keys, even, tick_us, *self._rates(intensity), *self._who, 1 / settings.mean_requests, settings.videos,
                settings.video_s * 1e6, ads, settings.leave_rate, settings.boredom_kept, settings.visit_share, self._plan,
                number, boredom, gone,
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
        return int(self._plan.control[STARTED])

    def oldest(self) -> int:
        """The first session that can still make a request after the block under way."""
        live = int(self._plan.control[UNDER_WAY])
        return int(self._plan.session[:live].min()) if live else self.started

    def next_block(
        self, intensity: Intensity, now: int, times: Integers, users: Integers, session: Integers, page: Integers
    ) -> None:
        """Draws the next requests, as many as `users` has room for; none of them comes before `now`."""
        live = int(self._plan.control[UNDER_WAY])
        room = live + users.size
        self._before = self._plan._replace(
            control=self._plan.control.copy(), epoch=self._plan.epoch.copy(), time=self._plan.time[:live].copy(),
            session=self._plan.session[:live].copy(), page=self._plan.page[:live].copy(), user=self._plan.user[:live].copy(),
        )  # fmt: skip
        if self._plan.time.size < room:
            self._plan = _with_room(self._plan, 2 * room)
        self._draw(intensity, 0, now, times, users, session, page)

    def again(
        self, intensity: Intensity, start: int, now: int, times: Integers, users: Integers, session: Integers, page: Integers
    ) -> None:
        """Draws the block under way once more; requests from place `start` on do not come before `now`, the others stay."""
        self._plan = _with_room(self._before, self._plan.time.size)
        self._draw(intensity, start, now, times, users, session, page)

    def _draw(self, intensity: Intensity, start: int, now: int, *block: Integers) -> None:
        plan_block(
            self._keys, self._even, start, now, self._tick_us, *self._rates(intensity), *self._who,
            1 / self._settings.mean_requests, self._settings.videos, self._settings.video_s * 1e6, self._plan, *block,
        )  # fmt: skip


def _with_room(plan: Plan, room: int) -> Plan:
    """A copy of a plan with room for so many sessions."""
    heaps = (np.pad(heap, (0, room - heap.size)) for heap in plan[2:])
    return Plan(plan.control.copy(), plan.epoch.copy(), *heaps)


@kernel()
def plan_block(
    keys: Any, even: Any, start: Any, now: Any, tick_us: Any, time: Any, total: Any, rate: Any, segment_share: Any,
    segment_start: Any, alias_share: Any, alias_user: Any, ending: Any, videos: Any, video_us: Any, plan: Any, times: Any,
    users: Any, session: Any, page: Any,
) -> None:  # fmt: skip
    """Fills a block with the next requests of all sessions in the order of time; see `Planner` and `traffic.arrive`."""
    control, knot = plan.control, 0
    for j in range(users.size):
        starts, knot = place(plan.epoch[0], 0, knot, time, total, rate)
        if control[UNDER_WAY] > 0 and plan.time[0] < starts:
            at, number, place_, user = pop(plan)
        elif starts == NEVER:
            times[j], users[j], session[j], page[j] = NEVER, 0, control[STARTED], 0
            continue
        else:
            at, number, place_ = starts, control[STARTED], np.int64(0)
            user = user_of(keys, number, at // tick_us, segment_share, segment_start, alias_share, alias_user)
            control[STARTED] = number + 1
            plan.epoch[0] += 1.0 if even else -math.log(uniform(keys[Stream.GAP], number + 1, 0))
        times[j] = max(at, now) if j >= start else at
        users[j], session[j], page[j] = user, number, place_
        if uniform(keys[Stream.LENGTH], number, place_) >= ending:
            push(at + watching_us(number, place_, videos, video_us, keys), number, place_ + 1, user, plan)


@kernel()
def begin(
    keys: Any, even: Any, tick_us: Any, time: Any, total: Any, rate: Any, segment_share: Any, segment_start: Any,
    alias_share: Any, alias_user: Any, ending: Any, videos: Any, video_us: Any, ads: Any, leave_rate: Any, boredom_kept: Any,
    visit_share: Any, plan: Any, number_of: Any, boredom_of: Any, gone_of: Any,
) -> Any:  # fmt: skip
    """Starts the sessions that begin before time 0; those that would last beyond it go on the heap, if there is room.

    Returns how many these are, and fills (room,) arrays with their numbers, the boredom of their users, and whether these have
    left or never came: what `comes` would have made of new users who saw `ads` ads at each request and clicked none.
    """
    control, knot, found = plan.control, 0, 0
    while True:
        at, knot = place(plan.epoch[0], time[0], knot, time, total, rate)
        if at >= 0:
            return found
        number, page, boredom = control[STARTED], np.int64(0), 0.0
        user = user_of(keys, number, at // tick_us, segment_share, segment_start, alias_share, alias_user)
        control[STARTED] = number + 1
        plan.epoch[0] += 1.0 if even else -math.log(uniform(keys[Stream.GAP], number + 1, 0))
        gone = uniform(keys[Stream.VISIT], number, 0) >= visit_share
        while at < 0:
            if page > 0:
                gone |= uniform(keys[Stream.LEAVE], number, page) >= math.exp(-leave_rate * boredom)
            boredom = boredom * boredom_kept + ads
            if uniform(keys[Stream.LENGTH], number, page) < ending:
                break
            at += watching_us(number, page, videos, video_us, keys)
            page += 1
        if at >= 0:
            if found < number_of.size:
                number_of[found], boredom_of[found], gone_of[found] = number, boredom, gone
                push(at, number, page, user, plan)
            found += 1


@inlined
def watching_us(number: Any, page: Any, videos: Any, video_us: Any, keys: Any) -> Any:
    """How long the user of a session watches after its request in place `page`, before the next, in microseconds."""
    watched = 0.0
    for video in range(videos):
        watched -= math.log(uniform(keys[Stream.DWELL], number, page * 64 + video))
    return max(np.int64(1), np.int64(watched * video_us))


@inlined
def push(at: Any, number: Any, page: Any, user: Any, plan: Any) -> None:
    """Puts the next request of a session on the heap."""
    place = plan.control[UNDER_WAY]
    plan.control[UNDER_WAY] = place + 1
    while place > 0:
        above = (place - 1) // 2
        if goes_first(plan.time[above], plan.session[above], at, number):
            break
        move(above, place, plan)
        place = above
    plan.time[place], plan.session[place], plan.page[place], plan.user[place] = at, number, page, user


@inlined
def pop(plan: Any) -> Any:
    """Takes the next request off the heap: its time, session, place in it and user."""
    first = plan.time[0], plan.session[0], plan.page[0], plan.user[0]
    last = plan.control[UNDER_WAY] - 1
    plan.control[UNDER_WAY] = last
    at, number, place = plan.time[last], plan.session[last], 0
    while 2 * place + 1 < last:
        below = 2 * place + 1
        other = below + 1
        if other < last and goes_first(plan.time[other], plan.session[other], plan.time[below], plan.session[below]):
            below = other
        if not goes_first(plan.time[below], plan.session[below], at, number):
            break
        move(below, place, plan)
        place = below
    move(last, place, plan)
    return first


@inlined
def move(old: Any, new: Any, plan: Any) -> None:
    """Copies an entry of the heap."""
    plan.time[new], plan.session[new], plan.page[new], plan.user[new] = (
        plan.time[old], plan.session[old], plan.page[old], plan.user[old],
    )  # fmt: skip


@inlined
def goes_first(time: Any, number: Any, other_time: Any, other_number: Any) -> Any:
    """Whether one request comes before another."""
    return time < other_time or (time == other_time and number < other_number)


@inlined
def comes(i: Any, j: Any, state: Any) -> Any:
    """Whether request i, in column j, is made: its user has come, and has not left."""
    visits, number, page, user = state.visits, state.session[j], state.page[j], state.users[j]
    place = number & (visits.gone.size - 1)
    visits.counts[PLANNED] += 1
    if page == 0:
        satisfied = visits.at_midnight[user]
        likely = 1.0 / (1.0 + math.exp(-visits.visit_odds - visits.visit_slope * (satisfied - 1.0)))
        visits.boredom[place] = 0.0
        visits.gone[place] = uniform(state.keys[Stream.VISIT], number, 0) >= likely
        visits.counts[SESSIONS] += 1
        visits.counts[VISITS] += not visits.gone[place]
        visits.sums[SATISFACTION] += satisfied
    elif not visits.gone[place]:
        stays = math.exp(-visits.leave_rate * visits.boredom[place])
        visits.boredom[place] *= visits.boredom_kept
        visits.gone[place] = uniform(state.keys[Stream.LEAVE], number, page) >= stays
        visits.counts[CUT] += visits.gone[place]
    column = min(page, visits.pages.shape[1] - 1)
    visits.pages[0, column] += 1
    visits.pages[1, column] += not visits.gone[place]
    state.present[j] = not visits.gone[place]
    if visits.gone[place]:
        return False
    sigma = visits.content_sigma
    worth = math.exp(sigma * normal_draw(state.keys[Stream.CONTENT], i, 0) - sigma * sigma / 2)
    visits.satisfaction[user] += visits.satisfaction_rate * (worth - visits.satisfaction[user])
    visits.counts[MADE] += 1
    visits.sums[CONTENT] += worth
    return True


@inlined
def suffer(j: Any, boring: Any, state: Any) -> None:
    """What so many ads, seen and not clicked, do to the user of column j."""
    visits = state.visits
    visits.boredom[state.session[j] & (visits.gone.size - 1)] += boring
    visits.satisfaction[state.users[j]] -= visits.satisfaction_rate * visits.annoyance * boring
    visits.counts[BORING] += boring


def with_evening_before(visits: Visits, planner: Planner) -> Visits:
    """The same visits, with what has become by time 0 of the sessions that began before it."""
    visits = with_room(visits, planner.oldest(), planner.started)
    place = planner.under_way & (visits.gone.size - 1)
    visits.gone[place], visits.boredom[place] = planner.gone, planner.boredom
    return visits


def with_room(visits: Visits, oldest: int, newest: int) -> Visits:
    """The same visits with a place for every session from `oldest` up to, not including, `newest`."""
    places = visits.gone.size
    if newest - oldest <= places:
        return visits
    while newest - oldest > places:
        places *= 2
    number = np.arange(oldest, oldest + visits.gone.size)
    gone, boredom = np.zeros(places, np.bool_), np.zeros(places)
    gone[number % places], boredom[number % places] = (old[number % old.size] for old in (visits.gone, visits.boredom))
    return visits._replace(gone=gone, boredom=boredom)


class VisitBooks:
    """What users did in each closed tick; read it with `to_frame`, or through its arrays (ticks, ...).

    `pages` (2, PAGES): requests planned and made of the whole run so far, by their place in the session.
    """

    def __init__(self, ticks: int, ticks_per_day: int, visits: Visits) -> None:
        self.closed, self.ticks_per_day, self.pages = 0, ticks_per_day, visits.pages
        self.counts = np.zeros((ticks, COUNTS), np.int64)
        self.sums = np.zeros((ticks, SUMS))

    def close_tick(self, visits: Visits) -> None:
        """Books the tick that ends and clears its counters."""
        self.counts[self.closed], self.sums[self.closed] = visits.counts, visits.sums
        visits.counts[:] = 0
        visits.sums[:] = 0
        self.closed += 1

    def to_frame(self) -> pd.DataFrame:
        """A row per tick.

        Columns: day, tick (of the day); sessions (planned), visits (started), cut (ended by boredom), requests_planned,
        requests (made), boring_ads (seen and not clicked), content (worth of the videos of the requests made), satisfaction
        (mean at midnight of those who were to visit; NaN if none was).
        """
        import pandas as pd

        ticks = np.arange(self.closed)
        counts, sums = self.counts[: self.closed], self.sums[: self.closed]
        names = {
            "sessions": SESSIONS, "visits": VISITS, "cut": CUT, "requests_planned": PLANNED, "requests": MADE,
            "boring_ads": BORING,
        }  # fmt: skip
        starts = counts[:, SESSIONS]
        return pd.DataFrame(
            {
                "day": ticks // self.ticks_per_day,
                "tick": ticks % self.ticks_per_day,
                **{name: counts[:, row] for name, row in names.items()},
                "content": sums[:, CONTENT],
                "satisfaction": np.divide(sums[:, SATISFACTION], starts, out=np.full(len(starts), np.nan), where=starts > 0),
            }
        )
