"""What ads do to users in their sessions: boredom, leaving, satisfaction, visits not made."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.books import Books, Tick
from ..core.chance import Stream, normal_draw, uniform
from ..core.compiled import spelt_out
from ..population.temper import Temper
from ..requests.sessions import NOBODY, Planner, strain
from ..scenario.people import Sessions
from .pages import PageSum, count_page, has_pages

if TYPE_CHECKING:
    import pandas as pd


PAGES = 64  # columns of Visits.pages: place of a request in its session; the last for all beyond


class Visit(IntEnum):
    """Places in Visits.counts."""

    SESSIONS = 0  # planned
    VISITS = 1  # sessions whose users came
    CUT = 2  # those that boredom ended
    PLANNED = 3  # requests
    MADE = 4  # requests
    BORING = 5  # ads seen and not clicked


class VisitSum(IntEnum):
    """Places in Visits.sums."""

    CONTENT = 0  # what the videos of the requests made were worth
    SATISFACTION = 1  # of those who were to visit, at midnight


class Visits(NamedTuple):
    """What the kernel knows of users' sessions; m a power of two, U users. Without any arrays: requests come by themselves."""

    gone: NDArray[np.bool_]  # (m,) the user of session number s has left, in place s modulo m
    boredom: Floats  # (m,)
    satisfaction: Floats  # (U,)
    at_midnight: Floats  # (U,)
    counts: Integers  # (len(Visit),) of the tick under way
    sums: Floats  # (len(VisitSum),)
    pages: Integers  # (2, PAGES) requests planned and made of the whole run so far, by their place in the session
    leave_rate: float
    boredom_kept: float
    annoyance: float
    content_sigma: float
    satisfaction_rate: float
    visit_odds: float  # log-odds of a visit at satisfaction 1
    visit_slope: float
    power: float  # of boredom
    own_rate: Floats  # (U,) factors on `leave_rate`; (0,): all are 1


def new_visits(settings: Sessions | None, users: int, temper: Temper | None) -> Visits:
    """Nobody has come yet, and everybody is as satisfied as without ads."""
    if settings is None:
        none, empty, pages = np.zeros(0), np.zeros(0, np.int64), np.zeros((2, 0), np.int64)
        return Visits(np.zeros(0, np.bool_), none, none, none, empty, none, pages, *(0.0,) * 8, own_rate=NOBODY)
    return Visits(
        gone=np.zeros(1 << 12, np.bool_),
        boredom=np.zeros(1 << 12),
        satisfaction=np.ones(users),
        at_midnight=np.ones(users),
        counts=np.zeros(len(Visit), np.int64),
        sums=np.zeros(len(VisitSum)),
        pages=np.zeros((2, PAGES), np.int64),
        leave_rate=settings.leave_rate,
        boredom_kept=settings.boredom_kept,
        annoyance=settings.ad_annoyance,
        content_sigma=settings.content_sigma,
        satisfaction_rate=settings.satisfaction_rate,
        visit_odds=math.log(settings.visit_share / (1 - settings.visit_share)),
        visit_slope=settings.visit_slope,
        power=1.0 if settings.patience is None else settings.patience.power,
        own_rate=NOBODY if temper is None else temper.rate,
    )


def with_evening_before(visits: Visits, planner: Planner) -> Visits:
    """The same visits, with what has become by time 0 of the sessions that began before it."""
    visits = with_room_for_sessions(visits, planner.oldest(), planner.started)
    place = planner.under_way & (visits.gone.size - 1)
    visits.gone[place], visits.boredom[place] = planner.gone, planner.boredom
    return visits


@spelt_out
def has_sessions(state: Any) -> Any:
    """Whether requests come in sessions, which ads may cut short."""
    return state.block.session.size > 0


@spelt_out
def user_is_there(i: Any, j: Any, state: Any) -> Any:
    """Whether request i, in column j, is made: its user has come, and has not left."""
    visits, number, page, user = state.visits, state.block.session[j], state.block.page[j], state.block.users[j]
    place = number & (visits.gone.size - 1)
    visits.counts[Visit.PLANNED] += 1
    if page == 0:
        satisfied = visits.at_midnight[user]
        likely = 1.0 / (1.0 + math.exp(-visits.visit_odds - visits.visit_slope * (satisfied - 1.0)))
        visits.boredom[place] = 0.0
        visits.gone[place] = uniform(state.keys[Stream.VISIT], number, 0) >= likely
        visits.counts[Visit.SESSIONS] += 1
        visits.counts[Visit.VISITS] += not visits.gone[place]
        visits.sums[VisitSum.SATISFACTION] += satisfied
        if has_pages(state):
            count_page(PageSum.SESSIONS, user, not visits.gone[place], state.pages)
    elif not visits.gone[place]:
        hazard = visits.leave_rate * visits.own_rate[user] if visits.own_rate.size > 0 else visits.leave_rate
        stays = math.exp(-hazard * strain(visits.boredom[place], visits.power))
        visits.boredom[place] *= visits.boredom_kept
        visits.gone[place] = uniform(state.keys[Stream.LEAVE], number, page) >= stays
        visits.counts[Visit.CUT] += visits.gone[place]
        if has_pages(state):
            count_page(PageSum.CUT, user, visits.gone[place], state.pages)
    column = min(page, visits.pages.shape[1] - 1)
    visits.pages[0, column] += 1
    visits.pages[1, column] += not visits.gone[place]
    state.block.present[j] = not visits.gone[place]
    if visits.gone[place]:
        return False
    sigma = visits.content_sigma
    worth = math.exp(sigma * normal_draw(state.keys[Stream.CONTENT], i, 0) - sigma * sigma / 2)
    visits.satisfaction[user] += visits.satisfaction_rate * (worth - visits.satisfaction[user])
    visits.counts[Visit.MADE] += 1
    visits.sums[VisitSum.CONTENT] += worth
    if has_pages(state):
        state.block.content[j] = worth
        count_page(PageSum.PAGES, user, 1.0, state.pages)
        count_page(PageSum.CONTENT, user, worth, state.pages)
    return True


@spelt_out
def annoy(j: Any, boring: Any, state: Any) -> None:
    """What so many ads, seen and not clicked, do to the user of column j."""
    visits = state.visits
    visits.boredom[state.block.session[j] & (visits.gone.size - 1)] += boring
    visits.satisfaction[state.block.users[j]] -= visits.satisfaction_rate * visits.annoyance * boring
    visits.counts[Visit.BORING] += boring


@spelt_out
def worn(j: Any, state: Any) -> Any:
    """How readily the user of column j clicks, for his boredom."""
    if state.pages.worn == 0.0:
        return 1.0
    boredom = state.visits.boredom[state.block.session[j] & (state.visits.gone.size - 1)]
    return (1.0 + boredom) ** -state.pages.worn


@spelt_out
def displace(j: Any, missed: Any, state: Any) -> None:
    """The user of column j misses so much of what the content of his page would have been worth."""
    visits, user = state.visits, state.block.users[j]
    visits.satisfaction[user] -= visits.satisfaction_rate * missed
    count_page(PageSum.CONTENT, user, -missed, state.pages)


def with_room_for_sessions(visits: Visits, oldest: int, newest: int) -> Visits:
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


class VisitBooks(Books):
    """What users did in each closed tick; read it with `to_frame`, or through its arrays (ticks, ...).

    `pages` (2, PAGES): requests planned and made of the whole run so far, by their place in the session. `satisfaction`
    (users,): of each user now.
    """

    def __init__(self, ticks: int, ticks_per_day: int, visits: Visits) -> None:
        self.closed, self.ticks_per_day, self.pages = 0, ticks_per_day, visits.pages
        self._counts, self._sums, self.satisfaction = visits.counts, visits.sums, visits.satisfaction
        self.counts = np.zeros((ticks, len(Visit)), np.int64)
        self.sums = np.zeros((ticks, len(VisitSum)))

    def close_tick(self, tick: Tick) -> None:
        """Books the tick that ends and clears its counters."""
        self.counts[tick.number], self.sums[tick.number] = self._counts, self._sums
        self._counts[:] = 0
        self._sums[:] = 0
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
            "sessions": Visit.SESSIONS, "visits": Visit.VISITS, "cut": Visit.CUT, "requests_planned": Visit.PLANNED,
            "requests": Visit.MADE, "boring_ads": Visit.BORING,
        }  # fmt: skip
        starts = counts[:, Visit.SESSIONS]
        return pd.DataFrame(
            {
                "day": ticks // self.ticks_per_day,
                "tick": ticks % self.ticks_per_day,
                **{name: counts[:, row] for name, row in names.items()},
                "content": sums[:, VisitSum.CONTENT],
                "satisfaction": np.divide(
                    sums[:, VisitSum.SATISFACTION], starts, out=np.full(len(starts), np.nan), where=starts > 0
                ),
            }
        )
