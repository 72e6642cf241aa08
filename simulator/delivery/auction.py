"""How slots are sold: ranking scores, the best of many bidders, and one function per pricing rule.

A rank is bid x weight, the bid being what an impression is worth to the campaign in millionths of currency and the weight
(believed click rate) ^ (squashing - 1) (Lahaie & Pennock 2007). Ranks travel in words of 64 bits, score bits above,
campaign below, so that one comparison orders them and ties go to the lower campaign number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.compiled import inlined
from ..core.ladder import NONE, entered, nobody, write_words
from ..core.simd import WIDTH
from ..core.sixteen import load, smaller, spread, where_at_least

LAST = 0xFFFF  # the largest number of a campaign that a word has room for
FIRST, SECOND, GSP, VCG = range(4)
ENDLESS = np.float32(np.inf)
PRICING = {"first": FIRST, "second": SECOND, "gsp": GSP, "vcg": VCG}


@inlined
def word(rank: Any, campaign: Any) -> Any:
    """A rank (positive float32) and its campaign as one integer; larger is better, 0 is nobody."""
    return (np.int64(np.float32(rank).view(np.int32)) << np.int64(32)) | np.int64(LAST - campaign)


@inlined
def rank_of(word: Any) -> Any:
    """The rank in a word as float64; 0 for nobody."""
    return np.float64(np.int32(word >> np.int64(32)).view(np.float32))


@inlined
def campaign_of(word: Any) -> Any:
    """The campaign in a word."""
    return np.int64(LAST) - (word & np.int64(LAST))


@inlined
def insert(top: Any, lane: Any, word: Any) -> None:
    """Puts one more word into a lane that is already sorted."""
    for place in range(top.shape[0]):
        other = top[place, lane]
        top[place, lane] = max(other, word)
        word = min(other, word)


@inlined
def select_alone(j: Any, low: Any, high: Any, lane: Any, bids: Any) -> None:
    """Finds the best of the rows from `low` up to `high` of the `Bids` for the request in column j.

    top[place, lane] receives their words, best first; these name rows, which are campaigns, or candidates behind a funnel. A
    campaign bids rate x live (or its offer), at most its caps; below its `floor`, or where it is drawn to sit out, it does not
    take part.
    """
    bids.top[:, lane] = 0
    for row in range(low, high):
        k, r = bids.who[row, j] if bids.who.size > 0 else row, bids.rate[row, j]
        if bids.live[k] <= 0:
            continue
        bid = min(bids.offer[bids.offer_row[k], j] if bids.offer_row[k] >= 0 else r * bids.live[k], bids.cap[k])
        if bids.click_cap[k] < ENDLESS:  # else 0 x infinity, where a believed rate is 0
            bid = min(bid, bids.click_cap[k] * r)
        if bid >= bids.floor[k] and (bids.taking[k] >= 1 or bids.draw[row, j] < bids.taking[k]):
            insert(bids.top, lane, word(bid * bids.weight[row, j] if bids.weight.size > 0 else bid, row))


@inlined
def select_group(
    start: Any, rate: Any, weight: Any, offer: Any, offer_row: Any, live: Any, cap: Any, click_cap: Any, floor: Any,
    taking: Any, draw: Any, places: Any, top: Any,
) -> None:  # fmt: skip
    """What `select_alone` does among all campaigns, for LANES requests from column `start` on.

    `places` is a constant where it is called, and so many registers hold the best.
    """
    none = spread(np.float32(NONE))
    for lane in range(0, LANES, WIDTH):
        j, ladder = start + lane, nobody(places)
        for k in range(rate.shape[0]):
            if live[k] <= 0:
                continue
            bid = load(offer[offer_row[k]], j) if offer_row[k] >= 0 else load(rate[k], j) * spread(live[k])
            bid = smaller(bid, spread(cap[k]))
            if click_cap[k] < ENDLESS:
                bid = smaller(bid, spread(click_cap[k]) * load(rate[k], j))
            rank = bid * load(weight[k], j) if weight.size > 0 else bid
            rank = where_at_least(bid, spread(floor[k]), rank, none)
            if taking[k] < 1:
                rank = where_at_least(load(draw[k], j), spread(taking[k]), none, rank)
            ladder = entered(ladder, rank, LAST - k)
        write_words(ladder, top, lane)


@inlined
def first_price(top: Any, lane: Any, slot: Any) -> Any:
    """The winner pays its own bid."""
    return rank_of(top[slot, lane])


@inlined
def second_price(top: Any, lane: Any, depth: Any) -> Any:
    """Every winner pays the best losing bid (Vickrey 1961; with several slots, the uniform price)."""
    return rank_of(top[depth, lane])


@inlined
def generalised_second_price(top: Any, lane: Any, slot: Any) -> Any:
    """The winner of a slot pays the bid of the next (Edelman, Ostrovsky & Schwarz 2007)."""
    return rank_of(top[slot + 1, lane])


@inlined
def vickrey_clarke_groves(top: Any, lane: Any, slot: Any, depth: Any, marginal: Any, floor: Any) -> Any:
    """The winner pays the value others lose by its presence, per exposure: each below would move up by one slot.

    The seller is one of the others and values a slot at its reserve, `floor` as a rank: without that the payment for a
    slot would not be what outbids for it, and truth not the best bid (Myerson 1981).
    """
    harm = 0.0
    for below in range(slot, depth):
        harm += (marginal[below] - marginal[below + 1]) * max(rank_of(top[below + 1, lane]), floor)
    return harm / marginal[slot]


@inlined
def price_rank(pricing: Any, top: Any, lane: Any, slot: Any, depth: Any, marginal: Any, floor: Any) -> Any:
    """The rank at which the winner of a slot is charged, before the reserve.

    `marginal` are the exposures of the `depth` slots and a closing 0, `floor` the rank of a bid of the winner's at the reserve.
    """
    if pricing == FIRST:
        return first_price(top, lane, slot)
    if pricing == SECOND:
        return second_price(top, lane, depth)
    if pricing == GSP:
        return generalised_second_price(top, lane, slot)
    return vickrey_clarke_groves(top, lane, slot, depth, marginal, floor)
