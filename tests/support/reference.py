"""A slow settlement in plain Python, written from the definitions: what the kernel must agree with.

An auction ranks campaigns by bid x click rate ^ (squashing - 1), ties to the campaign that stands first; a bid is what an
impression is worth, at most what is left of the budget in the unit in which the campaign is billed; below the reserve it
does not take part. Bids and ranks are float32 numbers, as the platform's predictions are; money is whole millionths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

F = np.float32


@dataclass
class Bidder:
    """A campaign in the reference market; money in millionths."""

    billing: str
    per_conversion: float
    conversion_rate: float  # conversions per click
    budget: int
    spent: int = 0

    @property
    def left(self) -> int:
        """What it may still spend."""
        return self.budget - self.spent

    @property
    def most_per_click(self) -> F:
        """The largest bid for a click that the budget allows, by the unit in which the campaign is billed."""
        if self.billing == "cpc":
            return at_most(self.left)
        if self.billing == "cpa":
            return F(at_most(self.left) * self.conversion_rate)
        return F(np.inf)

    def bid(self, rate: F) -> F:
        """What it bids for an impression with this believed click rate."""
        per_click = min(F(self.per_conversion * self.conversion_rate), self.most_per_click)
        bid = rate * per_click
        return min(bid, at_most(self.left)) if self.billing == "cpm" else bid


def at_most(money: int) -> F:
    """The largest float32 that does not exceed an amount."""
    x = F(money)
    return np.nextafter(x, F(0)) if int(x) > money else x


@dataclass
class Sale:
    """One slot sold: to whom, at which bid and price per impression, before rounding down."""

    campaign: int
    bid: float
    price: float


def auction(bids: dict[int, F], weights: dict[int, F], reserve: int, pricing: str, exposure: list[float]) -> list[Sale]:
    """Sells len(exposure) slots among the bids; `exposure` are the slots' marginal probabilities of being seen."""
    takes_part = {k: F(b * weights[k]) for k, b in bids.items() if b >= reserve}
    order = sorted(takes_part, key=lambda k: (-takes_part[k], k))
    ranks = [float(takes_part[k]) for k in order]
    slots = len(exposure)
    sales = []
    for slot, k in enumerate(order[:slots]):
        if pricing == "first":
            rank = ranks[slot]
        elif pricing == "second":
            rank = ranks[slots] if len(ranks) > slots else 0.0
        elif pricing == "gsp":
            rank = ranks[slot + 1] if len(ranks) > slot + 1 else 0.0
        else:
            floor = reserve * float(weights[k])
            rank = envelope(slot, ranks, floor, exposure) / exposure[slot]
        bid = float(bids[k])
        sales.append(Sale(k, bid, min(max(rank / float(weights[k]), reserve), bid)))
    return sales


def envelope(slot: int, ranks: list[float], floor: float, exposure: list[float]) -> float:
    """The one payment under which truth is the best bid (Myerson 1981): rank x(rank) less the integral of x from 0 to rank.

    x(t) is the exposure that a bid of rank t has among the others' ranks; none below the floor. `ranks` fall; the winner of
    the slot is one of them.
    """
    rank, others = ranks[slot], ranks[:slot] + ranks[slot + 1 :]

    def won(t: float) -> float:
        above = sum(other >= t for other in others)
        return exposure[above] if above < len(exposure) else 0.0

    steps = [floor, *sorted(other for other in others if floor < other < rank), rank]
    missed = sum((high - low) * won(high) for low, high in pairwise(steps) if high > low)
    return rank * exposure[slot] - missed


def per_click(price: int, believed: float, bidder: Bidder) -> float:
    """The price of a click of an impression sold at `price`, never above what the budget allows."""
    return min(price / believed, float(bidder.most_per_click))


def charge(price: int, believed: float, clicked: bool, bidder: Bidder) -> int:
    """What is charged at once: the impression, or the click; conversions are billed when they are reported."""
    if bidder.billing == "cpm":
        return price
    return math.floor(per_click(price, believed, bidder)) if bidder.billing == "cpc" and clicked else 0


def owed(price: int, believed: float, bidder: Bidder) -> int:
    """What a conversion of an impression will cost when it is reported."""
    return math.floor(per_click(price, believed, bidder) / bidder.conversion_rate)
