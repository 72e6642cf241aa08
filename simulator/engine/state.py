"""The state of a market under way, in the arrays that compiled code reads and writes.

Both engines hand it to the same kernels: `compiled` for all requests before the next event of the SimPy world, `events` for
one at a time. Entry points take it as an `Addressed`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Floats32, Integers
from ..core.compiled import spelt_out
from ..delivery.rotation import Rotation
from ..delivery.selection import Bids
from ..requests.surfaces import Surfaces
from ..response.beliefs import Beliefs
from ..response.counters import Counters
from ..response.leads import Chain
from ..response.memory import Memory
from ..response.organic import Baseline
from ..response.pages import Pages
from ..response.visits import Visits
from .ahead import Ahead


class Control(IntEnum):
    """Places in State.control."""

    NEXT = 0  # the request to be played next
    BASE = 1  # the first one of the block
    SCORED = 2  # the first one behind it
    GROUP = 3  # the group of LANES requests that `top` is of; -1: none
    STALE = 4  # a bit for each of its lanes that is to be selected anew
    PRICING = 5
    RESERVE = 6  # the lowest of all campaigns, millionths
    TICK_US = 7
    LAST_TICK = 8
    FORECAST_END = 9  # the request before which the day's forecast ends
    FAULT = 10  # 1 + the campaign whose rule bid what is not allowed; -1 - the bucket whose rule allocated so; see CAST_BY
    JOURNALED = 11  # rows of the journal in use
    RECORDED = 12  # rows of the record in use
    RECORD_OF = 13  # the campaign that is recorded; -1: none
    UNMADE = 14  # requests not made so far, since their users had left
    ANSWERED = 15  # 1 + the request that whoever runs the world has decided on
    PENDING = 16  # in a market with servers, 1 + the column of the request that he is asked about; 0: none
    PENDING_US = 17  # when its service was complete
    CASTING = 18  # 1 + the column of the request whose creative whoever runs the world is asked for; 0: none
    CHOOSER = 19  # address of the kernel that asks for the pattern of a page; 0: nobody is asked
    CASTER = 20  # of the kernel that asks for the creative of an ad
    RECORDER = 21  # of the kernel that keeps a record of a campaign
    DRAWER = 22  # of the kernel that draws the next block; 0: Python is to do it
    COUNTED = 23  # the request before which what was offered has been added up


CAST_BY = -(1 << 32)  # of Control.FAULT: less the ad whose rule cast a creative that is not allowed


class Count(IntEnum):
    """Rows of Tally.counts: a campaign is told the first COUNTS_TOLD, only a judge may read the rest."""

    REQUESTS = 0
    WINS = 1
    IMPRESSIONS = 2
    CLICKS = 3
    REPORTED = 4  # conversions
    SPEND = 5  # millionths
    WRITTEN_OFF = 6  # owed for conversions beyond the budget, millionths
    CONVERSIONS = 7  # reported or not
    ATTRIBUTED = 8  # those that come in time


class Sum(IntEnum):
    """Rows of Tally.sums: a campaign is told the first SUMS_TOLD, only a judge may read the rest."""

    BELIEVED = 0  # value of impressions as the platform expects it, currency
    OFFERED = 1  # believed conversions of all requests, won or lost
    DISCOUNT = 2  # what of `threshold` the campaign need not have beaten
    VALUE = 3  # true expected value of impressions, currency


COUNTS_TOLD, SUMS_TOLD = 7, 2


class Taking(IntEnum):
    """Places in Tally.takings: what an auction has brought the platform, millionths, in a market with servers."""

    CHARGED = 0  # for impressions and clicks
    OWED = 1  # for conversions, when they are reported


class Worth(IntEnum):
    """Places in Tally.worth: what its impressions are worth to campaigns, currency."""

    BELIEVED = 0
    TRUE = 1


# Columns of the journal and of the record; the record's numbers go on with the rivals' ranks, one for each slot.
JOURNAL_INTS = (
    "request", "time_us", "user", "campaign", "ad", "slot", "bid", "price", "clicked", "converted", "report_us", "creative",
    "surface", "query", "form_opened", "qualified_us", "sold_us", "charge", "owed",
)  # fmt: skip
JOURNAL_FLOATS = ("believed_rate", "true_rate", "propensity", "platform_rate")
RECORD_INTS = ("request", "slots_seen", "clicked")
RECORD_FLOATS = ("rate", "value", "weight")


class Block(NamedTuple):
    """Who asks, where and when; n = CHUNK requests and, in a market with servers, columns behind them for those that wait."""

    times: Integers  # (n,) arrival, microseconds
    users: Integers  # (n,)
    session: Integers  # (n,) its number; (0,) where requests come by themselves
    surface: Integers  # (n,) where it is made; (0,) where there is but one and nobody asks
    query: Integers  # (n,) what it asks, -1 for nothing; or (0,)
    page: Integers  # (n,) place in the session, or (0,)
    present: Floats32  # (CHUNK,) 1: made, 0: its user had left; or (0,)
    lift: Floats  # (n,) what it is worth, over the most there is; (0,) where all are worth the same
    content: Floats  # (n,) worth of its organic items, once it is made; (0,) where requests are no pages
    slots_seen: Integers  # (n,) how many slots its user sees, one after the other


class Source(NamedTuple):
    """Where requests come from, for compiled code that draws a block by itself; see `drawing`. U users, A ads, D dimensions."""

    even: int  # whether they come evenly
    partial: Floats  # (1,) of their gaps, the sum so far
    time: Integers  # (knots,) of the traffic, what is expected `before` them, and the rate from there on: `traffic.Intensity`
    before: Floats
    intensity: Floats
    segment_share: Floats  # (ticks, segments) cumulative
    segment_start: Integers  # (segments + 1,)
    alias_share: Floats  # (U,)
    alias_user: Integers  # (U,)
    draws: Floats  # (3, CHUNK) room
    epochs: Floats  # (CHUNK,) when they come, by expected requests
    seen: Floats  # (surfaces, S) probability that a slot is seen, given the one before was
    ads: Floats32  # (A, D) as they are believed to be, or nothing where rates are not of vectors
    bias: Floats32  # (A,)
    nothing: Floats32  # (0, 0) is what requests bring beside their users
    none: Floats32  # (0,)
    first_ad: Integers  # (K + 1,)
    block: Floats32  # (A, CHUNK) room for the rates of all ads; (0, 0) where those are the bids' own
    columns: Floats32  # (D x WIDTH,) room
    room: Floats32  # (WIDTH,)
    normal: int  # with the next three the law of rates that are drawn; see `rates.Law`
    location: float
    scale: float
    noise: float
    arrive: int  # addresses of the kernels that draw and rate
    see: int
    rate: int
    draw: int
    choose: int
    offered: int
    caps: int


class Terms(NamedTuple):
    """What campaigns are there for, what they may spend and what they owe; K campaigns, money in millionths."""

    active: NDArray[np.bool_]  # (K,) has a flight today and is not paused
    billing: Integers  # (K,) codes of `Billing`
    allowance: Integers  # (K,) what it may have spent by now
    spent: Integers  # (K,)
    value: Floats  # (K,) of a conversion, currency
    believed_conversion: Floats  # (K,) conversions per click
    attributed: Floats  # (K,) share of conversions that come in time to be attributed to the ad
    reports: Integers  # (ticks, K) calendar of conversions to be reported
    owed: Integers  # (ticks, K) and of what they cost
    delay: Floats  # (parts, 4) from click to conversion, as `delays.delay_table` has it
    attribution_us: int  # conversions after a longer delay are neither reported nor billed


class Truth(NamedTuple):
    """What is true of users and ads, as `rates.ClickTruth` has it, looked up or not, and of conversions."""

    users: Floats32  # (users, dimensions)
    ads: Floats32  # (ads, dimensions)
    bias: Floats32  # (ads,)
    block: Floats32  # (ads, n) click rates, or (0, 0) where vectors tell
    table: Floats  # (users, ads) click rates, as `rates.click_table` made them, or (0, 0)
    conversion: Floats  # (K,) conversions per click


class Tally(NamedTuple):
    """Counters of the tick under way; K campaigns, S slots."""

    counts: Integers  # (len(Count), K)
    sums: Floats  # (len(Sum), K)
    slot_impressions: Integers  # (S,)
    threshold: Floats  # (1,) sum over requests of the least rank that wins a slot
    takings: Integers  # (len(Taking),) of the request under way; (0,) in a market without servers, as is `worth`
    worth: Floats  # (len(Worth),)


class Rules(NamedTuple):
    """Compiled rules that bid for each request; R of them."""

    address: Integers  # (R,) where they are
    campaign: Integers  # (R,) who bids by them
    first: Integers  # (R + 1,) where their state starts
    state: Floats
    word: Integers  # (R,) what they bid for the request being played, as `auction.word` has it


class Logs(NamedTuple):
    """Rows that the kernel writes for the journal and the record; no rows: nobody asks for them."""

    journal_ints: Integers  # (rows, JOURNAL_INTS)
    journal_floats: Floats  # (rows, JOURNAL_FLOATS)
    record_ints: Integers  # (rows, RECORD_INTS) request, slots seen, clicked if shown
    record_floats: Floats  # (rows, RECORD_FLOATS + S) believed rate, value if seen, weight; rivals' ranks / weight


class Asking(NamedTuple):
    """Who decides on pages; B buckets of users, P patterns, U users. Without any arrays: nobody does."""

    bucket: Integers  # (U,)
    address: Integers  # (B,) of the rule that is asked, or one of the constants of `asking`
    memory: Integers  # (B, 4) address and size of a rule's memory, address and width of its rows by user
    chance: Floats  # (B, P) of the patterns where nobody is asked
    shown: Floats  # (Column.PAYS + A,) see `asking.Column`
    answer: Floats  # (P,)
    known: Floats  # (U, len(asking.Known)); (0, 0): no rule is asked
    hint: Floats  # (U,) or (0,)
    day_us: int


class Casting(NamedTuple):
    """Who casts creatives, and what he is told of them; A ads, C creatives, S segments. Without any arrays: nobody does."""

    address: Integers  # (A,) of the rule that is asked, or one of the constants of `answers`
    memory: Integers  # (A, 4) address and size of a rule's memory, address and width of its rows by ad
    shown: Floats  # (casting.Column.ROWS + most creatives of an ad x casting.WIDTH,)
    answer: Floats  # (most creatives of an ad,)
    format: Integers  # (C,)
    content: Floats  # (C,)
    impressions: Integers  # (C, S)
    clicks: Integers  # (C, S)
    expected: Floats  # (C, S)
    reported: Integers  # (C,) conversions
    reports: Integers  # (ticks, C) calendar of those that will be
    closed: Integers  # (A,) the tick up to which the calendar has been read for an ad
    kept: Integers  # (len(casting.Kept),)
    kept_content: Floats  # (1,) worth of the organic items seen before that slot
    likely: Floats  # (1,) how likely the creative was that has been cast last
    day_us: int


class State(NamedTuple):
    """Everything a kernel reads and writes; the last ones are effects that a market may be without."""

    control: Integers  # (len(Control),)
    keys: NDArray[np.uint64]  # (streams,)
    seen: Floats  # (S,) probability that a slot is seen, given the one before was
    block: Block
    bids: Bids
    terms: Terms
    truth: Truth
    tally: Tally
    rules: Rules
    logs: Logs
    chain: Chain
    baseline: Baseline
    memory: Memory
    visits: Visits
    surfaces: Surfaces
    rotation: Rotation
    history: Counters
    pages: Pages
    asking: Asking
    casting: Casting
    beliefs: Beliefs
    ahead: Ahead
    source: Source


@spelt_out
def pass_over(state: Any) -> None:
    """Counts a request that is not made, since its user has left: one fewer of those forecast is asked for."""
    state.control[Control.FORECAST_END] += 1
    state.control[Control.UNMADE] += 1


@spelt_out
def is_weighted(state: Any) -> Any:
    """Whether ranks are bids times a weight: whether the auction squashes click rates."""
    return state.bids.weight.size > 0


@spelt_out
def keeps_takings(state: Any) -> Any:
    """Whether is summed up what auctions bring: where requests of several tiers compete for servers."""
    return state.tally.takings.size > 0


@spelt_out
def tier_lift_of(j: Any, state: Any) -> Any:
    """How readily clicks of the request in column j convert, for what it is worth, relative to where they do most."""
    return state.block.lift[j] if state.block.lift.size > 0 else 1.0


@spelt_out
def has_rules(state: Any) -> Any:
    """Whether anybody bids by a compiled rule."""
    return state.rules.campaign.size > 0


@spelt_out
def keeps_journal(state: Any) -> Any:
    """Whether impressions are written down."""
    return state.logs.journal_ints.shape[0] > 0


@spelt_out
def platform_rate(row: Any, j: Any, state: Any) -> Any:
    """The click rate, times lift, that the platform itself believes of a row of the bids, for the request in column j."""
    return state.bids.platform[row, j] if state.bids.platform.size > 0 else state.bids.rate[row, j]


@spelt_out
def ad_in_row(row: Any, k: Any, j: Any, state: Any) -> Any:
    """The ad with which campaign k, in a row of the bids, takes part in the auction of the request in column j."""
    return state.bids.ad[row, j] if state.bids.ad.size > 0 else k
