"""Ads one by one: the impressions of a market's ads, side by side and each by its own clock, where ads do not touch each other.

Whoever learns to cast creatives wants hundreds of ads at once, each at its next impression. Where budgets, servers and sessions
are not shared, which ad a request shows does not depend on creatives, and neither does anything of another ad: each ad's
impressions are what they are in a `World`, to the last bit. The market is played once to find them, however it casts creatives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, uniform
from ..core.compiled import entry, inlined, kernel
from ..core.errors import MarketError, reason
from ..core.money import UNLIMITED
from ..core.threads import one_blas_thread
from ..market.market import build
from ..requests.worth import differs
from ..response.memory import with_room_for_exposures
from ..scenario.tree import Scenario
from .casting import WIDTH, Column, Row, expect_report, show
from .exchange import Exchange
from .lives import NOBODY, WAITS
from .settle import Sale, answer, bill
from .state import JOURNAL_FLOATS, JOURNAL_INTS, Control, State
from .unattended import player, ticks

NOTHING: Floats = np.zeros(0)
NUMBER, TIME, USER, CAMPAIGN, AD, COST = (
    JOURNAL_INTS.index(name) for name in ("request", "time_us", "user", "campaign", "ad", "price")
)


class AdPlan(NamedTuple):
    """The n impressions of a run, ad by ad, each ad's in order; A ads, K campaigns."""

    first: Integers  # (A + 1,)
    number: Integers  # (n,) of the request
    times: Integers  # (n,) microseconds
    users: Integers  # (n,)
    campaign: Integers  # (n,)
    believed: Floats  # (n,) click rate, whichever creative
    cost: Integers  # (n,) of the impression, millionths
    conversion: Floats  # (n,) true conversions a click
    value: Floats  # (n,) of a conversion, currency


class AdLanes(NamedTuple):
    """The ads under way, in L lanes: each is seen, and its creative not cast yet."""

    ad: Integers  # (L,) NOBODY: the run has no more of them
    at: Integers  # (L,) place of the impression in the plan
    shown: Floats  # (L, W + K) see `casting.Column`; behind it what is known of the world
    brought: Floats  # (L, 3) by the impression before: clicks; conversions reported since; clicks truly expected
    over: Integers  # (L,) 1: that was its ad's last, and another ad has taken the lane
    due: Integers  # (2,) the next ad to take one, and the end of them


def why_ads_touch(scenario: Scenario) -> str | None:
    """Why ads touch each other in a market, or cannot be played so, in words that follow "has"; None: they do not."""
    table = build(scenario).campaigns
    return reason(
        ("no creatives", scenario.creatives is None),
        ("budgets, which clicks use up", bool((table.budget < UNLIMITED).any())),
        ("servers", scenario.serving is not None),
        ("a funnel", scenario.funnel is not None),
        ("beliefs that learn from all requests", scenario.learns),
        ("sessions, which ads cut short", scenario.sessions is not None),
        ("search or surfaces", scenario.asks),
        ("worth that differs between requests", differs(scenario)),
        ("organic conversions", scenario.response.organic is not None),
        ("leads", any(campaign.lead is not None for campaign in table.listed)),
    )


class AdLives:
    """The ads of one world, of which so many are under way at once; those from `first` up to `end` take lanes in turn.

    All lanes are empty at first: `seat` has ads take some of them, at the first impression of each. `lanes.shown` is then what
    is to be decided on: W numbers, see `casting.Column`, and behind them whatever is `known` (K,) of the world. `step` decides,
    and moves each lane on to the next impression, of its ad or of the next one.

    Raises:
        MarketError: if the scenario's ads touch each other.
    """

    kept = (
        ("memory", "whose"), ("memory", "shown"), ("memory", "last"), ("memory", "today"), ("memory", "used"),
        ("rotation", "counts"), ("rotation", "sums"), ("casting", "impressions"), ("casting", "clicks"),
        ("casting", "expected"), ("casting", "reported"), ("casting", "reports"), ("casting", "closed"),
    )  # fmt: skip

    def __init__(
        self, scenario: Scenario, seed: int, lanes: int, first: int = 0, end: int | None = None, known: Floats = NOTHING
    ) -> None:
        if (why := why_ads_touch(scenario)) is not None:
            raise MarketError(f"ads cannot be played one by one in scenario {scenario.name!r}: it has {why}")
        market = build(scenario)
        self.scenario, self.seed, self._exchange = scenario, seed, Exchange(scenario, market, seed)
        self.plan = plan(scenario, seed)
        casting, state = self._exchange.take_creative_desk().casting, self._exchange.state
        # An impression adds one entry at most.
        memory = with_room_for_exposures(state.memory, self.plan.number.size, 0)
        self._exchange.addressed.replace(memory=memory)
        self.lanes = AdLanes(
            ad=np.full(lanes, NOBODY),
            at=np.zeros(lanes, np.int64),
            shown=np.tile(np.concatenate([np.zeros(casting.shown.size), known]), (lanes, 1)),
            brought=np.zeros((lanes, 3)),
            over=np.zeros(lanes, np.int64),
            due=np.array([first, casting.address.size if end is None else end]),
        )
        self._shared = self.lanes, self.plan, self._exchange.addressed
        self._seat, self._step = (
            entry(seat_ads, np.ones(lanes, np.bool_), *self._shared), entry(step_ads, self.lanes.at, *self._shared)
        )  # fmt: skip

    @property
    def state(self) -> State:
        """What the kernels read and write."""
        return self._exchange.state

    @property
    def whose(self) -> Integers:
        """The ad in each lane, (L,); NOBODY: none."""
        return self.lanes.ad

    def seat(self, free: NDArray[np.bool_]) -> None:
        """Has ads take these empty lanes, (L,), as long as there are any."""
        self._seat(free, *self._shared)

    def step(self, chosen: Integers) -> None:
        """Casts the creative of each lane, (L,) places in its ad or WAITS, and moves on; empty lanes stay as they are.

        Only those that have come may be cast: see `Row.THERE`.
        """
        self._step(chosen, *self._shared)

    def restored(self) -> None:
        """Called when its arrays have been brought back to where they were."""


@one_blas_thread()
def plan(scenario: Scenario, seed: int) -> AdPlan:
    """The impressions of the run of a world, which is played once for that."""
    market = build(scenario)
    exchange = Exchange(scenario, market, seed)
    rows = exchange.blocks.state.block.times.size * scenario.auction.slots
    exchange.replace(
        "logs", journal_ints=np.zeros((rows, len(JOURNAL_INTS)), np.int64), journal_floats=np.zeros((rows, len(JOURNAL_FLOATS)))
    )
    found: list[tuple[Any, ...]] = []
    play, state = player(exchange), exchange.state

    def take() -> None:
        count = int(state.control[Control.JOURNALED])
        ints, floats = state.logs.journal_ints[:count].copy(), state.logs.journal_floats[:count, 0].copy()
        who = ints[:, CAMPAIGN]
        found.append((ints, floats, state.truth.conversion[who], state.terms.value[who]))
        state.control[Control.JOURNALED] = 0

    exchange.blocks.on_block.append(take)
    for end in ticks(exchange):
        play(end)
        take()
    ints, believed, conversion, value = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(ints[:, AD], kind="stable")
    first = np.searchsorted(ints[order, AD], np.arange(market.campaigns.ad_campaign.size + 1))
    number, times, users, campaign, cost = (np.ascontiguousarray(ints[order, c]) for c in (NUMBER, TIME, USER, CAMPAIGN, COST))
    return AdPlan(first, number, times, users, campaign, believed[order], cost, conversion[order], value[order])


@inlined
def find_impression(lane: Any, lanes: Any, plan: Any, state: Any) -> None:
    """Moves a lane from its place in the plan on to an impression, of its ad or of the next one, and shows it."""
    while lanes.ad[lane] == NOBODY or lanes.at[lane] >= plan.first[lanes.ad[lane] + 1]:
        lanes.over[lane] = 1
        ad = lanes.due[0]
        if ad >= lanes.due[1]:
            lanes.ad[lane] = NOBODY
            return
        lanes.due[0] = ad + 1
        lanes.ad[lane], lanes.at[lane] = ad, plan.first[ad]
    at, ad, shown = lanes.at[lane], lanes.ad[lane], state.casting.shown
    show(plan.number[at], plan.times[at], ad, plan.users[at], plan.believed[at], state)
    for column in range(shown.size):
        lanes.shown[lane, column] = shown[column]


@inlined
def reported(shown: Any, width: Any) -> Any:
    """Conversions of all creatives in what is shown, which is so many numbers."""
    total = 0.0
    for row in range(Column.ROWS, width, WIDTH):
        total += shown[row + Row.REPORTED]
    return total


@kernel(nogil=True)
def seat_ads(free: Any, lanes: Any, plan: Any, state: Any) -> None:
    """Gives each free lane an ad, at its first impression."""
    for lane in range(lanes.ad.size):
        if free[lane]:
            find_impression(lane, lanes, plan, state)
            lanes.over[lane] = 0


@kernel(nogil=True)
def step_ads(chosen: Any, lanes: Any, plan: Any, state: Any) -> None:
    """Casts the creative of each lane and moves on; see `AdLives.step`."""
    for lane in range(lanes.ad.size):
        ad = lanes.ad[lane]
        lanes.over[lane] = 0
        lanes.brought[lane] = 0.0
        if ad == NOBODY or chosen[lane] == WAITS:
            continue
        at = lanes.at[lane]
        i, now, k = plan.number[at], plan.times[at], plan.campaign[at]
        state.block.users[0] = plan.users[at]
        state.truth.conversion[k], state.terms.value[k] = plan.conversion[at], plan.value[at]
        c = state.rotation.first[ad] + chosen[lane]
        sale = Sale(0, k, ad, c, 1.0, plan.believed[at], 0.0, plan.cost[at], plan.believed[at])
        draw = uniform(state.keys[Stream.CLICK], i, ad)
        answered = answer(i, np.int64(0), now, sale, draw, 1.0, 1.0, state)
        billed = bill(i, now, sale, answered, 1.0, state)
        if billed.report_us >= 0:
            expect_report(ad, c, now, billed.report_us, state)
        before = reported(lanes.shown[lane], state.casting.shown.size)
        lanes.brought[lane, 0], lanes.brought[lane, 2] = answered.clicked, answered.rate
        lanes.at[lane] += 1
        find_impression(lane, lanes, plan, state)
        if lanes.over[lane] == 0:
            lanes.brought[lane, 1] = reported(lanes.shown[lane], state.casting.shown.size) - before
