"""What campaigns bid, and the best of it for each request: the one kernel that is compiled anew for each number of slots."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import LANES, Floats, Floats32, Integers
from ..core.chance import uniform
from ..core.compiled import address, inlined, kernel
from .auction import select_alone, select_group


class Bids(NamedTuple):
    """What campaigns may bid, and for what; K campaigns, n columns as in `engine.state.Block`, S slots, money in millionths."""

    rate: Floats32  # (K, n) believed click rate of the campaign's best ad
    platform: Floats32  # (K, n) as the platform itself believes it, where models of the rates have stood; else (0, 0)
    ad: Integers  # (K, n) that ad; (0, 0) where each campaign has one
    who: Integers  # (rows, n) behind a funnel the campaign of each candidate, `rate` and `ad` having rows; else (0, 0)
    weight: Floats32  # (K, n) of the rank; (0, 0) where all are 1
    offer: Floats32  # (rows, n) bids by request of the campaigns that make them
    offer_row: Integers  # (K,) row of `offer`, or -1
    top: Integers  # (S + 1, LANES) the best bids for each request of a group, as `auction.word` has them
    live: Floats32  # (K,) bid for a click; 0 takes no part
    cap: Floats32  # (K,) most it can pay for an impression
    click_cap: Floats32  # (K,) most it can pay for a click
    pace: Floats  # (K,) the platform's factor on what it bids, above 0, up to 1
    taking: Floats32  # (K,) share of requests in whose auctions the platform lets it take part
    draw: Floats32  # (rows, n) it takes part where this is below that share; (0, 0) while nobody sits out
    floor: Floats32  # (K,) its reserve: least price of an impression
    watch: Floats  # (K,) with less budget left than this, caps must be exact after each charge
    selector: int  # address of the kernel `selector` that finds them


@inlined
def sits_out(k: Any, j: Any, bids: Any) -> Any:
    """Whether campaign k is drawn to sit out the request in column j."""
    return bids.taking[k] < 1 and bids.draw[k, j] >= bids.taking[k]


@kernel()
def draw_participation(key: Any, request: Any, first: Any, end: Any, who: Any, draw: Any) -> None:
    """Draws for columns from `first` to `end`, of requests (end - first,), which of them throttled campaigns sit out.

    A draw is of request and campaign, so that other shares of the same day leave out more of the same requests, or fewer.
    """
    for row in range(draw.shape[0]):
        for j in range(first, end):
            k = who[row, j] if who.size > 0 else row
            draw[row, j] = np.float32(uniform(key, request[j - first], k))


@cache
def selector(slots: int) -> Any:
    """The kernel that finds the best `slots` + 1 bids; the number is frozen into it, see `auction.select_group`."""
    places = slots + 1

    @kernel()
    def select_best(j: Any, alone: Any, bids: Any) -> Any:
        """Fills `top` for the request in column j, for it `alone` or for its group at once; see `auction`."""
        lane = j % LANES
        rate, weight, offer, offer_row, top = bids.rate, bids.weight, bids.offer, bids.offer_row, bids.top
        live, cap, click_cap, floor, taking, draw = bids.live, bids.cap, bids.click_cap, bids.floor, bids.taking, bids.draw
        if alone:
            select_alone(j, 0, rate.shape[0], lane, bids)
        else:
            select_group(j - lane, rate, weight, offer, offer_row, live, cap, click_cap, floor, taking, draw, places, top)
        return 0

    return select_best


def with_selector(bids: Bids, slots: int) -> Addressed[Bids]:
    """The same bids for so many slots, with the address of their selector."""
    addressed = Addressed(bids)
    addressed.replace(selector=address(selector(slots), 0, False, addressed))
    return addressed
