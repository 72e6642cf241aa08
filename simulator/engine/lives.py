"""Users one by one: the lives of a market's users, side by side and each by its own clock, where they do not touch each other.

Whoever learns to allocate pages wants hundreds of users at once, each at its next page, whenever that is. A market plays
requests in the order of time, since budgets, servers and an index are shared. Where nothing is, the order does not matter, luck
being a function of request and ad: each user's pages are what they are in a `World`, to the last bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import CHUNK, Floats, Floats32, Integers
from ..core.compiled import entry, inlined, kernel
from ..core.errors import MarketError, reason
from ..core.intrinsics import call_kernel
from ..core.money import UNLIMITED
from ..core.threads import one_blas_thread
from ..market.market import build
from ..population.rates import Context, new_rates
from ..requests.surfaces import slots_seen_by
from ..response.pages import PageSum
from ..response.visits import user_is_there, with_room_for_sessions
from ..scenario.tree import Scenario
from .asking import Column, choose_pattern
from .exchange import Exchange
from .settle import settle
from .state import Control, State
from .unattended import ticks

TICK_US = int(Control.TICK_US)
NOBODY = -1  # in Lanes.user
WAITS = -1  # in place of a pattern: the lane stays where it is


class Plan(NamedTuple):
    """The n requests that users would make in a run, user by user, each user's in order; U users."""

    first: Integers  # (U + 1,)
    number: Integers  # (n,) of the request in the world
    times: Integers  # (n,) microseconds
    session: Integers  # (n,)
    page: Integers  # (n,)
    lift: Floats  # (n,) or (0,)


class Course(NamedTuple):
    """What holds in each tick of a run; K campaigns."""

    live: Floats32  # (ticks, K)
    value: Floats  # (ticks, K)
    conversion: Floats  # (ticks, K)
    believed_conversion: Floats  # (ticks, K)
    active: Integers  # (ticks, K)


class Lanes(NamedTuple):
    """The users under way, in L lanes: each looks at a page that is not allocated yet."""

    user: Integers  # (L,) NOBODY: the run has no more of them
    at: Integers  # (L,) place of the request in the plan
    day: Integers  # (L,) of that request
    content: Floats  # (L,)
    top: Integers  # (L, A + 1) the best bids for it
    shown: Floats  # (L, W) see `asking.Column`
    brought: Floats  # (L, 3) by the page before: expected charges, content seen, charges
    over: Integers  # (L,) 1: that page was its user's last, and another user has taken the lane
    due: Integers  # (2,) the next user to take one, and the end of them
    tick: Integers  # (1,) whose terms are in the state


def why_users_touch(scenario: Scenario) -> str | None:
    """Why users touch each other in a market, in words that follow "has"; None: they do not."""
    table = build(scenario).campaigns
    return reason(
        ("no pages", scenario.pages is None),
        ("budgets, which all users share", bool((table.budget < UNLIMITED).any())),
        ("servers, whose queue all users share", scenario.serving is not None),
        ("a funnel, whose index all users share", scenario.funnel is not None),
        ("search", scenario.search is not None),
        ("fatigue or frequency caps", scenario.fatigue is not None or any(c.frequency_cap for c in table.listed)),
        ("organic conversions", scenario.response.organic is not None),
        ("beliefs that learn from all requests", scenario.learns),
        ("ads that take turns (even_rotation)", bool(table.even_rotation.any())),
        ("squashing", scenario.auction.squashing != 1),
        ("rates that are drawn by request", scenario.rates.kind != "interests"),
    )


class Lives:
    """The users of one world, of which so many are under way at once; those from `first` up to `end` take lanes in turn.

    All lanes are empty at first: `seat` has users take some of them, at the first page that each makes. `lanes.shown` (L, W) is
    then what is to be decided on; `step` decides, and moves each lane on to the next page, of its user or of the next one.

    Raises:
        MarketError: if the scenario's users touch each other.
    """

    # What of a world's state the lives of its users go by; the rest is the same in any.
    kept = (
        ("visits", "gone"), ("visits", "boredom"), ("visits", "satisfaction"), ("visits", "at_midnight"), ("pages", "users"),
        ("asking", "known"),
    )  # fmt: skip

    def __init__(self, scenario: Scenario, seed: int, lanes: int, first: int = 0, end: int | None = None) -> None:
        if (why := why_users_touch(scenario)) is not None:
            raise MarketError(f"users cannot be played one by one in scenario {scenario.name!r}: it has {why}")
        market, users = build(scenario), scenario.users.count
        self.scenario, self.seed, exchange = scenario, seed, Exchange(scenario, market, seed)
        self._exchange, desk = exchange, exchange.take_desk()
        desk.leave_open(np.arange(desk.asking.address.size))
        self._course = course(exchange)
        self._rates = usual_rates(scenario, exchange)
        self._plan = plan(exchange)
        state, places = exchange.state, exchange.state.bids.top.shape[0]
        self.lanes = Lanes(
            user=np.full(lanes, NOBODY),
            at=np.zeros(lanes, np.int64),
            day=np.zeros(lanes, np.int64),
            content=np.zeros(lanes),
            top=np.zeros((lanes, places), np.int64),
            shown=np.zeros((lanes, Column.PAYS + places - 1)),
            brought=np.zeros((lanes, 3)),
            over=np.zeros(lanes, np.int64),
            due=np.array([first, users if end is None else end]),
            tick=np.array([-1]),
        )
        shared = self.lanes, self._plan, self._course, self._rates, self._first_ad, exchange.addressed
        free = np.ones(lanes, np.bool_)
        self._seat, self._step = entry(seat_users, free, *shared), entry(step_lives, np.zeros(lanes, np.int64), *shared)
        self._shared = shared
        self.books = state.pages.users  # (U, len(PageSum))

    @property
    def _first_ad(self) -> Integers:
        return self._exchange.market.campaigns.first_ad

    @property
    def state(self) -> State:
        """What the kernels read and write."""
        return self._exchange.state

    @property
    def whose(self) -> Integers:
        """The user in each lane, (L,); NOBODY: none."""
        return self.lanes.user

    def restored(self) -> None:
        """Called when its arrays have been brought back to where they were."""
        self.lanes.tick[0] = -1  # its terms are to be looked up

    def seat(self, free: NDArray[np.bool_]) -> None:
        """Has users take these empty lanes, (L,), as long as there are any."""
        self._seat(free, *self._shared)

    def step(self, patterns: Integers) -> None:
        """Allocates the page of each lane, (L,) numbers of patterns or WAITS, and moves on; empty lanes stay as they are."""
        self._step(patterns, *self._shared)


def course(exchange: Exchange) -> Course:
    """What holds in each tick, as the clock of a world would bring it about where nobody decides."""
    state, rows = exchange.state, list[tuple[Any, ...]]()
    for _ in ticks(exchange):
        terms = state.terms
        rows.append(
            tuple(
                array.copy()
                for array in (state.bids.live, terms.value, state.truth.conversion, terms.believed_conversion, terms.active)
            )
        )
    live, value, conversion, believed, active = (np.array(column) for column in zip(*rows, strict=True))
    return Course(live, value, conversion, believed, active.astype(np.int64))


@one_blas_thread()
def usual_rates(scenario: Scenario, exchange: Exchange) -> Floats32:
    """Believed click rates of all ads for requests of each user that are worth what requests are at most, (U, ads)."""
    market, users = exchange.market, scenario.users.count
    ads = len(market.campaigns.appeal)
    rates = new_rates(scenario.rates, market.users, market.ads, ads, CHUNK, exchange.state.keys)
    plain = Context.plain(CHUNK, market.users.interests.shape[1])
    found, block = np.zeros((users, ads), np.float32), np.zeros((ads, CHUNK), np.float32)
    for first in range(0, users, CHUNK):
        who = np.minimum(np.arange(first, first + CHUNK), users - 1)
        rates.fill(0, who, plain, block)
        found[first : first + CHUNK] = block.T[: users - first]
    return found


def plan(exchange: Exchange) -> Plan:
    """What users would do in the run of a world that has not begun; makes room for all of their sessions."""
    blocks, horizon = exchange.blocks, exchange.scenario.horizon_us
    requests = blocks.coming.draw_all(horizon)
    order = np.argsort(requests.users, kind="stable")
    first = np.searchsorted(requests.users[order], np.arange(exchange.scenario.users.count + 1))
    visits = with_room_for_sessions(exchange.state.visits, requests.oldest, requests.sessions)
    exchange.addressed.replace(visits=visits)
    lift = requests.lift[order] if requests.lift.size else requests.lift
    return Plan(first, order, requests.times[order], requests.session[order], requests.page[order], lift)


@inlined
def load_page(lane: Any, lanes: Any, plan: Any, course: Any, rates: Any, first_ad: Any, state: Any) -> Any:
    """Puts the request of a lane into column 0, and the terms of its tick into the state; returns its number and time."""
    at, user, block, bids = lanes.at[lane], lanes.user[lane], state.block, state.bids
    now = plan.times[at]
    block.times[0], block.users[0], block.session[0], block.page[0] = now, user, plan.session[at], plan.page[at]
    block.content[0] = lanes.content[lane]
    lift = np.float32(1)
    if plan.lift.size > 0:
        block.lift[0] = plan.lift[at]
        lift = np.float32(plan.lift[at])
    for k in range(bids.rate.shape[0]):
        best = first_ad[k]
        for a in range(first_ad[k] + 1, first_ad[k + 1]):
            if rates[user, a] * lift > rates[user, best] * lift:
                best = a
        bids.rate[k, 0] = rates[user, best] * lift
        if bids.ad.size > 0:
            bids.ad[k, 0] = best
    tick = now // state.control[TICK_US]
    if tick != lanes.tick[0]:
        lanes.tick[0] = tick
        for k in range(bids.rate.shape[0]):
            bids.live[k] = course.live[tick, k]
            state.terms.value[k] = course.value[tick, k]
            state.terms.believed_conversion[k] = course.believed_conversion[tick, k]
            state.truth.conversion[k] = course.conversion[tick, k]
            state.terms.active[k] = course.active[tick, k] != 0
    return plan.number[at], now


@inlined
def find_page(lane: Any, lanes: Any, plan: Any, course: Any, rates: Any, first_ad: Any, state: Any) -> None:
    """Moves a lane from its place in the plan on to the next page that is made, of its user or of the next one."""
    visits, shown = state.visits, state.asking.shown
    while True:
        user = lanes.user[lane]
        if user == NOBODY or lanes.at[lane] >= plan.first[user + 1]:
            lanes.over[lane] = 1
            user = lanes.due[0]
            if user >= lanes.due[1]:
                lanes.user[lane] = NOBODY
                return
            lanes.due[0] = user + 1
            lanes.user[lane], lanes.at[lane], lanes.day[lane] = user, plan.first[user], 0
            continue
        i, now = load_page(lane, lanes, plan, course, rates, first_ad, state)
        if now // state.asking.day_us > lanes.day[lane]:
            lanes.day[lane] = now // state.asking.day_us
            visits.at_midnight[user] = visits.satisfaction[user]
        if user_is_there(i, 0, state):
            break
        lanes.at[lane] += 1
    lanes.content[lane] = state.block.content[0]
    call_kernel(state.bids.selector, (0, True, state.bids))
    for place in range(lanes.top.shape[1]):
        lanes.top[lane, place] = state.bids.top[place, 0]
    choose_pattern(i, np.int64(0), now, False, state)
    for column in range(shown.size):
        lanes.shown[lane, column] = shown[column]


@kernel(nogil=True)
def seat_users(free: Any, lanes: Any, plan: Any, course: Any, rates: Any, first_ad: Any, state: Any) -> None:
    """Gives each free lane a user, at the first page that this user makes."""
    for lane in range(lanes.user.size):
        if free[lane]:
            find_page(lane, lanes, plan, course, rates, first_ad, state)
            lanes.over[lane] = 0


@kernel(nogil=True)
def step_lives(patterns: Any, lanes: Any, plan: Any, course: Any, rates: Any, first_ad: Any, state: Any) -> None:
    """Allocates the page of each lane and moves on; see `Lives.step`."""
    for lane in range(lanes.user.size):
        user = lanes.user[lane]
        lanes.over[lane] = 0
        if user == NOBODY or patterns[lane] == WAITS:
            lanes.brought[lane] = 0.0
            continue
        i, now = load_page(lane, lanes, plan, course, rates, first_ad, state)
        for place in range(lanes.top.shape[1]):
            state.bids.top[place, 0] = lanes.top[lane, place]
        state.block.slots_seen[0] = slots_seen_by(state.keys, i, state.seen)
        state.asking.shown[Column.PAYS] = lanes.shown[lane, Column.PAYS]  # of which the mean level is taken
        sums = state.pages.users[user]
        revenue, content, charged = sums[PageSum.REVENUE], sums[PageSum.CONTENT], sums[PageSum.CHARGED]
        settle(i, np.int64(0), now, patterns[lane], state)
        # The content of a page counts when it is made: here, with what its ads displaced.
        lanes.brought[lane, 0] = sums[PageSum.REVENUE] - revenue
        lanes.brought[lane, 1] = sums[PageSum.CONTENT] - content + lanes.content[lane]
        lanes.brought[lane, 2] = sums[PageSum.CHARGED] - charged
        lanes.at[lane] += 1
        find_page(lane, lanes, plan, course, rates, first_ad, state)
