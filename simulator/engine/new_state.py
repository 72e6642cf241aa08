"""The state of a market before its first request."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import CHUNK, LANES, Keys
from ..core.money import MICRO
from ..delivery.auction import PRICING
from ..delivery.rotation import new_rotation
from ..delivery.selection import Bids, with_selector
from ..market.market import Market
from ..population.campaigns import Campaigns, attributed
from ..population.rates import ClickTruth
from ..requests.sessions import NOBODY
from ..requests.surfaces import new_surfaces
from ..requests.traffic import NEVER
from ..requests.worth import differs
from ..response.beliefs import new_beliefs
from ..response.counters import new_counters
from ..response.delays import delay_table
from ..response.leads import new_chain
from ..response.memory import new_memory
from ..response.organic import new_baseline
from ..response.pages import new_pages
from ..response.visits import Visits
from ..scenario.tree import Scenario
from .ahead import new_ahead
from .state import (
    JOURNAL_FLOATS,
    JOURNAL_INTS,
    RECORD_FLOATS,
    RECORD_INTS,
    Asking,
    Block,
    Casting,
    Control,
    Count,
    Logs,
    Rules,
    Source,
    State,
    Sum,
    Taking,
    Tally,
    Terms,
    Truth,
    Worth,
)


def new_state(
    scenario: Scenario, market: Market, keys: Keys, truth: ClickTruth, rows: int, visits: Visits, source: Source
) -> State:  # fmt: skip
    """The state of a world whose `keys` are these, with campaigns that do not bid yet.

    `truth` is what is true of clicks, `rows` how many rows of bids there are: campaigns, or candidates of a funnel.
    """
    table, slots = market.campaigns, scenario.auction.slots
    ticks = scenario.days * scenario.ticks_per_day
    return State(
        control=_control(scenario, ticks),
        keys=keys,
        seen=np.array(scenario.auction.seen),
        block=_block(scenario),
        bids=with_selector(_bids(scenario, table, rows), scenario.ad_places).value,
        terms=_terms(scenario, table, ticks),
        truth=Truth(
            users=truth.users,
            ads=truth.ads,
            bias=truth.bias,
            block=truth.block if scenario.serving is None else truth.block.copy(),
            table=market.clicks,
            conversion=table.conversion_rate.copy(),
        ),
        tally=Tally(
            counts=np.zeros((len(Count), len(table.names)), np.int64),
            sums=np.zeros((len(Sum), len(table.names))),
            slot_impressions=np.zeros(slots, np.int64),
            threshold=np.zeros(1),
            takings=np.zeros(0 if scenario.serving is None else len(Taking), np.int64),
            worth=np.zeros(0 if scenario.serving is None else len(Worth)),
        ),
        rules=Rules(*(np.zeros(size, kind) for size, kind in ((0, int), (0, int), (1, int), (0, float), (0, int)))),
        logs=Logs(
            journal_ints=np.zeros((0, len(JOURNAL_INTS)), np.int64),
            journal_floats=np.zeros((0, len(JOURNAL_FLOATS))),
            record_ints=np.zeros((0, len(RECORD_INTS)), np.int64),
            record_floats=np.zeros((0, len(RECORD_FLOATS) + slots)),
        ),
        chain=new_chain(scenario, table),
        baseline=new_baseline(scenario, table, market.users, market.ads),
        memory=new_memory(scenario, table, None if market.creatives is None else len(market.creatives.ad)),
        visits=visits,
        surfaces=new_surfaces(scenario, market.language),
        rotation=new_rotation(market.creatives, market.users),
        history=new_counters(),
        pages=new_pages(scenario),
        asking=nobody_asked(scenario),
        casting=nobody_casts(scenario),
        beliefs=new_beliefs(len(table.appeal) if scenario.learns else 0),
        ahead=new_ahead(scenario.ad_places),
        source=source,
    )


def nobody_asked(scenario: Scenario) -> Asking:
    """Pages are what they are where nobody decides."""
    none, empty, numbers = np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros(0)
    places = np.zeros((0, 0), np.int64)
    return Asking(none, none, places, empty, numbers, numbers, empty, NOBODY, scenario.day_us)


def nobody_casts(scenario: Scenario) -> Casting:
    """Creatives are shown by their shares."""
    whole, real, table = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 0), np.int64)
    return Casting(
        address=whole, memory=table, shown=real, answer=real, format=whole, content=real, impressions=table, clicks=table,
        expected=np.zeros((0, 0)), reported=whole, reports=table, closed=whole, kept=whole, kept_content=real, likely=real,
        day_us=scenario.day_us,
    )  # fmt: skip


def _control(scenario: Scenario, ticks: int) -> NDArray[np.int64]:
    control = np.zeros(len(Control), np.int64)
    control[Control.PRICING] = PRICING[scenario.auction.pricing]
    control[Control.RESERVE] = at_least(scenario.auction.reserve)
    control[Control.TICK_US], control[Control.LAST_TICK] = scenario.tick_us, ticks
    control[Control.RECORD_OF] = -1
    return control


def _block(scenario: Scenario) -> Block:
    asks, in_session = CHUNK if scenario.asks else 0, 0 if scenario.sessions is None else CHUNK
    return Block(
        times=np.zeros(CHUNK, np.int64),
        users=np.zeros(CHUNK, np.int64),
        session=np.zeros(in_session, np.int64),
        surface=np.zeros(asks, np.int64),
        query=np.zeros(asks, np.int64),
        page=np.zeros(in_session, np.int64),
        present=np.zeros(in_session, np.float32),
        lift=np.zeros(CHUNK if differs(scenario) else 0),
        content=np.zeros(0 if scenario.pages is None else CHUNK),
        slots_seen=np.zeros(CHUNK, np.int64),
    )


def _bids(scenario: Scenario, table: Campaigns, rows: int) -> Bids:
    campaigns, shape, none = len(table.names), (rows, CHUNK), (0, 0)
    one_ad = len(table.appeal) == campaigns and scenario.funnel is None
    return Bids(
        rate=np.zeros(shape, np.float32),
        platform=np.zeros(none, np.float32),
        ad=np.zeros(none if one_ad else shape, np.int64),
        who=np.zeros(none if scenario.funnel is None else shape, np.int64),
        weight=np.zeros(none if scenario.auction.squashing == 1 else shape, np.float32),
        offer=np.zeros(none, np.float32),
        offer_row=np.full(campaigns, -1),
        top=np.zeros((scenario.ad_places + 1, LANES), np.int64),
        live=np.zeros(campaigns, np.float32),
        cap=np.zeros(campaigns, np.float32),
        click_cap=np.zeros(campaigns, np.float32),
        pace=np.ones(campaigns),
        taking=np.ones(campaigns, np.float32),
        draw=np.zeros(none, np.float32),
        floor=np.full(campaigns, at_least(scenario.auction.reserve), np.float32),
        watch=np.zeros(campaigns),
        selector=0,
    )


def _terms(scenario: Scenario, table: Campaigns, ticks: int) -> Terms:
    campaigns, response = len(table.names), scenario.response
    ahead = min(int(response.window_days * 86_400e6 // scenario.tick_us) + 2, ticks + 1)
    return Terms(
        active=table.active(0),
        billing=table.billing,
        allowance=np.zeros(campaigns, np.int64),
        spent=np.zeros(campaigns, np.int64),
        value=table.value.copy(),
        believed_conversion=table.conversion_rate.copy(),
        attributed=attributed(response, table),
        reports=np.zeros((ahead, campaigns), np.int64),
        owed=np.zeros((ahead, campaigns), np.int64),
        delay=delay_table(response.delay, response.window_days),
        attribution_us=int(NEVER if response.attribution_days is None else response.attribution_days * 86_400e6),
    )


def at_least(reserve: float) -> int:
    """A reserve in currency as the least amount in millionths that is not below it and that a float32 can hold, as bids are."""
    money = round(reserve * MICRO)
    near = np.float32(money)
    return int(near) if int(near) >= money else int(np.nextafter(near, np.float32(np.inf)))
