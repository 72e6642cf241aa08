"""What a clairvoyant would want to know of each request."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.chance import Stream, uniform
from ..core.compiled import address, kernel
from ..core.errors import MarketError
from ..delivery.auction import campaign_of, rank_of
from ..delivery.rotation import creative_of
from ..market.market import build
from ..scenario.tree import Scenario
from .blocks import Blocks
from .settle import click_rate_of
from .state import RECORD_FLOATS, Control, ad_in_row, is_weighted

RIVALS = len(RECORD_FLOATS)  # from here on a row of floats holds the rivals' ranks


@kernel()
def record(i: Any, j: Any, lane: Any, now: Any, state: Any) -> Any:
    """Notes for one campaign what a clairvoyant would want to know of this request: its rivals' ranks and the luck."""
    k, row, top = state.control[Control.RECORD_OF], state.control[Control.RECORDED], state.bids.top
    state.control[Control.RECORDED] = row + 1
    ints, floats = state.logs.record_ints[row], state.logs.record_floats[row]
    a = ad_in_row(k, k, j, state)
    true_rate = click_rate_of(a, creative_of(i, a, now, state.keys, state.rotation), j, state)
    ints[0] = i
    ints[1] = state.block.slots_seen[j]
    ints[2] = uniform(state.keys[Stream.CLICK], i, a) < true_rate
    floats[0] = state.bids.rate[k, j]
    floats[1] = true_rate * state.truth.conversion[k] * state.terms.value[k] * state.terms.attributed[k]
    w = np.float64(state.bids.weight[k, j]) if is_weighted(state) else 1.0
    floats[2] = w
    place = 0
    for rival in range(len(state.seen)):
        if campaign_of(top[place, lane]) == k and top[place, lane] != 0:
            place += 1
        floats[RIVALS + rival] = rank_of(top[place, lane]) / w
        place += 1
    return np.int64(0)


class Recorded(NamedTuple):
    """Requests met by the recorded campaign, in order; n requests, S slots, money in millionths unless said otherwise."""

    campaign: int
    request: NDArray[np.int64]  # (n,)
    slots_seen: NDArray[np.int64]  # (n,) how many slots this user looks at
    clicked: NDArray[np.bool_]  # (n,) would click, if the campaign's ad is seen
    rate: NDArray[np.float64]  # (n,) believed click rate
    value: NDArray[np.float64]  # (n,) true expected value of a seen slot, of conversions that are attributed, currency
    weight: NDArray[np.float64]  # (n,) of the campaign's rank
    rivals: NDArray[np.float64]  # (n, S) the rivals' best ranks over that weight: what outbids them; 0 for nobody


def unrecorded(scenario: Scenario) -> str:
    """Why there is no record of a market's requests; nothing where there is one."""
    if scenario.funnel is not None:
        return "behind a funnel a campaign does not meet every request, so there is no record of them"
    capped = any(campaign.frequency_cap for campaign in build(scenario).campaigns.listed)
    if capped or scenario.fatigue is not None or scenario.sessions is not None:
        field = "frequency_cap" if capped else "fatigue" if scenario.fatigue is not None else "sessions"
        return f"where users tire or leave ({field}), what a request is worth depends on those before: there is no record"
    if scenario.asks:
        return "where surfaces and queries differ, slots and conversions do too: there is no record of them"
    return ""


class Recorder:
    """Keeps for one campaign, or for none, what a clairvoyant would want to know of each request."""

    def __init__(self, blocks: Blocks, campaign: int | None) -> None:
        """Raises `MarketError` where what a request is worth depends on more than the request."""
        self._blocks = blocks
        if campaign is None:
            return
        state = blocks.state
        if why := unrecorded(blocks.scenario):
            raise MarketError(why)
        if state.casting.address.size:
            raise MarketError(
                "where somebody casts creatives, what a request is worth depends on that: there is no record of them"
            )
        state.control[Control.RECORD_OF] = campaign
        state.control[Control.RECORDER] = address(record, 0, 0, 0, 0, blocks.addressed)
        blocks.on_block.append(self._make_room)
        self._make_room()

    def recorded(self) -> Recorded:
        """What has been kept so far. Raises `MarketError` if nobody is recorded."""
        state = self._blocks.state
        campaign, rows = int(state.control[Control.RECORD_OF]), int(state.control[Control.RECORDED])
        if campaign < 0:
            raise MarketError("no campaign is recorded: name one with World(record=...)")
        ints, floats = state.logs.record_ints[:rows], state.logs.record_floats[:rows]
        request, slots_seen, clicked = ints.T
        rate, value, weight = floats[:, :RIVALS].T
        return Recorded(campaign, request, slots_seen, clicked > 0, rate, value, weight, floats[:, RIVALS:])

    def _make_room(self) -> None:
        state = self._blocks.state
        rows, used = len(state.logs.record_ints), int(state.control[Control.RECORDED])
        if rows - used >= state.block.times.size:  # nothing else can be settled before the next block is drawn
            return
        more = max(rows, 64 * state.block.times.size)
        self._blocks.addressed.replace(
            "logs",
            record_ints=np.pad(state.logs.record_ints, ((0, more), (0, 0))),
            record_floats=np.pad(state.logs.record_floats, ((0, more), (0, 0))),
        )
