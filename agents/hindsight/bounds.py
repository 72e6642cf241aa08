"""Upper bounds on what a day could have brought. For judges only.

The *clairvoyant bound* takes the rivals' bids as they were in a policy's own run, and bounds the value of that run only: rivals
that react to another policy would bid differently. The *frontier bound* does the same for the score of its objective.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.engine.record import Recorded
from ...simulator.engine.state import Count
from ...simulator.population.campaigns import Billing
from ...simulator.scenario.delivery import Auction
from ...simulator.scenario.demand import Objective
from ...simulator.world import World
from ..bidding.rivals import unsettled
from .knapsack import choice_bound, frontier_score
from .scores import _terms

# Ranks are float32, so a price may exceed the bid that paid it by half a unit in the last place; the bound rounds down.
ROUNDING = 1 - 2.0**-22


def clairvoyant_bound(world: World) -> float:
    """Most value, in currency, that the recorded campaign could have had against its rivals' bids as they were in this run.

    The linear programme chooses for each request at most one slot, or a fraction of it, within each day's budget (what the
    campaign could really spend: top-ups and changes included). It knows which slots are seen and, under CPC billing, which
    impressions would be clicked: one luck for value and cost. Only closed ticks count. Days without a flight on which
    nothing was won count for nothing.

    Raises:
        MarketError: if nobody is recorded (`World(record=...)`), or the campaign is billed by conversion.
    """
    return sum(choice_bound(*day) for day in _days(world))


def _days(world: World) -> Iterator[tuple[Floats, Floats, float]]:
    """Values, costs and budget of each day on which the recorded campaign could win."""
    noted = world.recorded()
    k = noted.campaign
    if not world.campaigns.settled_at_once[k]:
        raise MarketError(unsettled(world.campaigns.names[k], "clairvoyant bound"))
    values, costs = _options(noted, world.scenario.auction, world.campaigns.billing[k] == Billing.CPC)
    ticks = world.scenario.ticks_per_day
    after = np.cumsum(world.ledger.requests())  # requests auctioned, and so recorded, up to the end of each closed tick
    for day in range(math.ceil(len(after) / ticks)):
        first, last = day * ticks, min((day + 1) * ticks, len(after)) - 1
        wins = world.ledger.counts[first : last + 1, Count.WINS, k].sum()
        if not wins and not world.campaigns.active(day)[k]:
            continue
        rows = slice(after[first - 1] if first else 0, after[last])
        left = int(world.ledger.left[last, k])
        spent = round(float(world.ledger.spend()[first : last + 1, k].sum()) * MICRO)
        budget = math.inf if left >= UNLIMITED // 2 else float(left + spent)
        yield values[rows], costs[rows], budget


def frontier_bound(world: World, objective: Objective | None = None, worth_of_spend: float | None = None) -> float:
    """Most score, in currency, summed over days, that the recorded campaign could have had against its rivals' bids.

    Of each day the best score along the frontier of V*(S), the clairvoyant bound with budget S, up to the day's budget. At a
    given spend a score grows with value, so no run's score exceeds it. That V* alone is enough rests on value being
    proportional to conversions, as it is here: a conversion of a campaign is worth the same at each request. What counts as
    conversions is expected ones. Arguments as in `day_scores`.

    Raises:
        MarketError: as `clairvoyant_bound`.
    """
    own, worth = _terms(world, world.recorded().campaign, objective, worth_of_spend)
    return sum(frontier_score(values, costs / MICRO, budget / MICRO, own, worth) for values, costs, budget in _days(world))


def _options(noted: Recorded, auction: Auction, per_click: bool) -> tuple[Floats, Floats]:
    """What each slot would have been worth (currency) and cost (millionths), each of shape (n, S); 0 and 0 if not seen."""
    price = slot_prices(noted.rivals, auction)
    cost = np.maximum(np.floor(price * ROUNDING), float(np.float32(round(auction.reserve * MICRO))))
    on_offer = np.arange(auction.slots) < noted.slots_seen[:, None]
    if per_click:
        on_offer &= noted.rate[:, None] > 0  # nobody can bid by click where no click is believed in
        rate = np.where(noted.rate > 0, noted.rate, 1.0)[:, None]
        cost = np.where(noted.clicked[:, None], np.floor(cost * ROUNDING / rate), 0.0)
    return np.where(on_offer, noted.value[:, None], 0.0), np.where(on_offer, cost, 0.0)


def slot_prices(rivals: Floats, auction: Auction) -> Floats:
    """What the winner of each slot pays, shape (n, S), given its S best rivals' ranks in descending order, (n, S).

    Holding slot k takes outbidding the k-th rival (counted from 1), who then stands below. First price: bid just that. The
    reserve is in it where it counts for slots further down, not as a least price of the slot itself.
    """
    if auction.pricing in ("first", "gsp"):
        return rivals
    if auction.pricing == "second":
        return np.broadcast_to(rivals[:, -1:], rivals.shape)
    marginal = np.append(auction.marginal, 0.0)
    harm = (marginal[:-1] - marginal[1:]) * np.maximum(rivals, round(auction.reserve * MICRO))
    price: Floats = np.cumsum(harm[:, ::-1], axis=1)[:, ::-1] / marginal[:-1]
    return price
