"""Rules of sale tried on a sample of requests before they are set: what policies that search have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...simulator.core.arrays import LANES, Floats
from ...simulator.engine.exchange import LARGEST_RESERVE, LEAST_RESERVE
from ...simulator.market.rehearsal import Rehearsal, SaleRules
from ...simulator.seats.auction.decisions import AuctionPolicy, Sale
from ...simulator.seats.auction.verticals import Verticals, bids
from ...simulator.seats.auction.view import AuctionView
from ..parameters import check_whole
from .goal import ANNOYANCE, SURPLUS, Goal, check_goal, mean_price

FAR = 4.0  # of a reserve, in logs from what is bid on average, where a search turns round: it sells all, or nothing
MOST_SQUASHING = 3.0  # where it does in squashing


@lru_cache(maxsize=256)
def requests_near(rehearsal: Rehearsal, tick: int, most: int) -> Rehearsal:
    """The `most` requests of an even day that come nearest to a tick of it, in order of time.

    As many as a multiple of `LANES`. The same object again for the same arguments: worlds of a scenario share it.
    """
    count = max(min(most, rehearsal.tick.size) // LANES * LANES, LANES)
    return rehearsal.of(np.sort(np.argsort(np.abs(rehearsal.tick - tick), kind="stable")[:count]))


def bounded_reserve(reserve: Floats) -> Floats:
    """The same, as near as the seat allows, which takes no reserve of 0."""
    return np.minimum(np.maximum(reserve, LEAST_RESERVE), LARGEST_RESERVE)


class Trials:
    """Rules tried at the bids of a view on requests of a tick; each call of `score` holds all their auctions again.

    A point is V + 1 numbers: the log of a reserve in currency for each vertical, and the squashing.
    """

    def __init__(self, view: AuctionView, requests: Rehearsal, verticals: Verticals, goal: Goal, price: float) -> None:
        self._requests, self._of, self._goal, self._price = requests, verticals.of, goal, price
        self._bid, self._worth, self._quality = bids(view), view.told.value, view.rules.quality
        self._each = np.ones(self._bid.size)
        self.impressions = np.zeros(self._bid.size)  # (K,) a request, of the point that was tried last
        self.level = np.log(verticals.level(view))  # (V,) logs
        self.least, self.most = np.append(self.level - FAR, 0.0), np.append(self.level + FAR, MOST_SQUASHING)

    def score(self, point: Floats) -> float:
        """Expected score of a request."""
        reserve = np.exp(point[:-1])[self._of]
        found = self._requests.outcome(self._bid, SaleRules(reserve, float(point[-1]), self._quality))
        self.impressions = found.impressions
        each = self._each  # sums as products: they cost a fraction
        unclicked = found.impressions @ each - found.clicks @ each
        score: float = self._goal.score(found.spend @ each, found.conversions @ self._worth, unclicked, self._price)
        return score

    def sale(self, point: Floats) -> Sale:
        """The rules that a point stands for."""
        return Sale(bounded_reserve(np.exp(point[:-1]))[self._of], float(point[-1]))

    def within(self, point: Floats) -> Floats:
        """The nearest point within the bounds of a search."""
        near: Floats = np.minimum(np.maximum(point, self.least), self.most)
        return near

    def move(self, point: Floats, score: float, k: int, by: float) -> tuple[Floats, float, bool]:
        """A point, its score and True where moving coordinate k by so much scores more; else the same as before, and False."""
        tried = point.copy()
        tried[k] = min(max(tried[k] + by, self.least[k]), self.most[k])
        found = self.score(tried)
        return (tried, found, True) if found > score else (point, score, False)


@dataclass
class Trying(AuctionPolicy):
    """Base of those who try rules on a sample of an even day's requests, at the bids of now, before they set them."""

    size: int = 512  # requests of the sample, those nearest to the tick; at least 1, rounded to a multiple of 64
    surplus: float = SURPLUS  # weight of advertisers' surplus, see `Goal`
    annoyance: float = ANNOYANCE  # what an ad that is not clicked costs, in mean prices of an even day

    def __post_init__(self) -> None:
        check_whole(self, "size", 1)
        check_goal(self)

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        self.verticals, self.goal = Verticals(view.vertical), Goal(self.surplus, self.annoyance)
        self.price = mean_price(view.told.history)

    def requests(self, view: AuctionView, tick: int) -> Rehearsal:
        """The sample for a tick."""
        return requests_near(view.rehearsal, tick, self.size)

    def trials(self, view: AuctionView, tick: int) -> Trials:
        """At the bids of a view, on requests of a tick."""
        return Trials(view, self.requests(view, tick), self.verticals, self.goal, self.price)
