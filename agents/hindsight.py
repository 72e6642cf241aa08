"""The best possible, knowing the future: static hindsight (a yardstick) and the clairvoyant bound. For judges only.

*Static hindsight* replays the day with constant multipliers and lets the rivals react; an adaptive policy may exceed it. The
*clairvoyant bound* takes the rivals' bids as they were in a policy's own run, and bounds the value of that run only: rivals
that react to another policy would bid differently. The *frontier bound* does the same for the score of its objective.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..simulator.delivery import Auction
from ..simulator.demand import BILLING, MICRO, UNLIMITED
from ..simulator.errors import MarketError, PolicyError
from ..simulator.exchange import Recorded
from ..simulator.kernel import WINS
from ..simulator.market import build
from ..simulator.numeric import real
from ..simulator.scenario import Objective, Scenario
from ..simulator.seats import BidPolicies, BidPolicy
from ..simulator.world import World
from .bidding import Fixed
from .objectives import best_score, score
from .rivals import unsettled

Floats = NDArray[np.float64]

HALVINGS = 5  # of the search's steps, from coarse to fine
COARSE = range(-3, 4)  # first multipliers tried, in coarse steps from the prior
FARTHEST = 60  # coarse steps from the prior after which the search gives up
PEAKS = 2  # how many of the best are refined: score over multiplier has several peaks
# Ranks are float32, so a price may exceed the bid that paid it by half a unit in the last place; the bound rounds down.
ROUNDING = 1 - 2.0**-22


class StaticHindsight(NamedTuple):
    """The best constant multiplier of a day, and what it brings the campaign in currency."""

    multiplier: float
    value: float  # true expected value of exposed wins
    spend: float
    score: float  # what it is the best by, as the campaign's objective has it (see `objectives`)


def static_hindsight(
    scenario: Scenario,
    policies: BidPolicies | Callable[[], BidPolicies | None] | None,
    campaign: int | str,
    seed: int,
    tolerance: float = 0.01,
) -> StaticHindsight:
    """The best constant multiplier for one campaign on the days of a seed, by full re-simulation.

    `policies` are those of the bid seat (or a function that makes them); the campaign's own, if any, gives up its place. The
    search goes over a geometric grid with ratio 1 + `tolerance` around the prior: coarse first, widened while the best lies
    at an edge, then finer around the best few.

    Raises:
        MarketError: if there is no such campaign, it is billed by conversion, or `tolerance` is not between 0 and 1.
    """
    ratio = real(tolerance)
    if ratio is None or not 0 < ratio < 1:
        raise MarketError(f"the tolerance of a search lies between 0 and 1, not at {tolerance!r}")
    table = build(scenario).campaigns
    k = table.place(campaign)
    if k is None:
        raise MarketError(f"there is no campaign {campaign!r} in scenario {scenario.name!r}")
    if not table.settled_at_once[k]:
        raise MarketError(unsettled(table.names[k], "static hindsight"))

    def play(place: int) -> StaticHindsight:
        multiplier = float(table.prior[k]) * (1 + ratio) ** place
        seat = _with(policies() if callable(policies) else policies, k, table.names, Fixed(multiplier, times_prior=False))
        world = World(scenario, {"bid": seat}, seed=seed)
        world.run()
        value, spend = float(world.ledger.value()[:, k].sum()), float(world.ledger.spend()[:, k].sum())
        return StaticHindsight(multiplier, value, spend, float(day_scores(world, k).sum()))

    return _search(play)


def _with(policies: BidPolicies | None, campaign: int, names: tuple[str, ...], policy: BidPolicy) -> BidPolicies:
    """The same policies in the same order, one campaign's replaced, or added at the end."""
    if policies is None:
        return {campaign: policy}
    if isinstance(policies, BidPolicy):
        policies = {k: policies for k in range(len(names)) if k != campaign}
    if not isinstance(policies, Mapping):
        raise PolicyError(f"rivals are a policy or a mapping from campaigns to policies, not {type(policies).__name__}")
    own = [key for key in policies if key in (campaign, names[campaign])]
    return {**policies, (own[0] if own else campaign): policy}


def _search(play: Callable[[int], StaticHindsight]) -> StaticHindsight:
    """The place on a fine grid with the best score: from coarse steps to steps of one."""
    tried: dict[int, StaticHindsight] = {}

    def best() -> list[int]:
        return sorted(tried, key=lambda place: (-tried[place].score, place))

    step = 1 << HALVINGS
    for place in COARSE:
        tried[place * step] = play(place * step)
    while (top := best()[0]) in (min(tried), max(tried)) and abs(top) < FARTHEST * step:
        worthless = all(found.score == 0 for found in tried.values())  # then only more can help
        if tried[top].score == 0 and not worthless:
            break  # the least wins nothing, and more loses
        beyond = max(tried) + step if worthless or top == max(tried) else min(tried) - step
        if abs(beyond) > FARTHEST * step:
            break
        tried[beyond] = play(beyond)
    while step > 1:
        step //= 2
        for place in [p + side for p in best()[:PEAKS] for side in (-step, step)]:
            if place not in tried:
                tried[place] = play(place)
    return tried[best()[0]]


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
    values, costs = _options(noted, world.scenario.auction, world.campaigns.billing[k] == BILLING["cpc"])
    ticks = world.scenario.ticks_per_day
    after = np.cumsum(world.ledger.requests())  # requests auctioned, and so recorded, up to the end of each closed tick
    for day in range(math.ceil(len(after) / ticks)):
        first, last = day * ticks, min((day + 1) * ticks, len(after)) - 1
        wins = world.ledger.counts[first : last + 1, WINS, k].sum()
        if not wins and not world.campaigns.active(day)[k]:
            continue
        rows = slice(after[first - 1] if first else 0, after[last])
        left = int(world.ledger.left[last, k])
        spent = round(float(world.ledger.spend()[first : last + 1, k].sum()) * MICRO)
        budget = math.inf if left >= UNLIMITED // 2 else float(left + spent)
        yield values[rows], costs[rows], budget


def day_scores(world: World, campaign: int, objective: Objective | None = None, worth_of_spend: float | None = None) -> Floats:
    """The score of each day of a run, in currency, (days,); see `objectives`.

    None: the campaign's own objective, and as C its target over a conversion's value.
    """
    ticks = world.scenario.ticks_per_day
    starts = np.arange(0, world.ledger.closed, ticks)
    value, spend = (np.add.reduceat(x[:, campaign], starts) for x in (world.ledger.value(), world.ledger.spend()))
    own, worth = _terms(world, campaign, objective, worth_of_spend)
    return score(own, value, spend, worth)


def _terms(world: World, campaign: int, objective: Objective | None, worth_of_spend: float | None) -> tuple[Objective, float]:
    """The objective, and what a unit of spend must bring in units of value."""
    table = world.campaigns
    worth = float(table.target[campaign] / table.value[campaign]) if worth_of_spend is None else worth_of_spend
    return table.listed[campaign].objective if objective is None else objective, worth


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


def choice_bound(values: Any, costs: Any, budget: float) -> float:
    """The linear multiple-choice knapsack: max sum(x v) with sum(x c) <= budget, sum over s of x[i, s] <= 1, x >= 0.

    Solved exactly (Dantzig 1957; Sinha & Zoltners 1979): along the upper hull of each row's options (cost, value) the gains
    per cost fall, so taking all increments in the order of gain per cost, up to the budget, is optimal.

    Args:
        values: (n, S) finite; options of negative value are never taken.
        costs: (n, S) finite, from 0 up, in the unit of `budget`.
        budget: from 0 up; inf: unlimited.

    Raises:
        MarketError: if shapes differ or a number is not allowed.
    """
    if budget == math.inf:
        values, _ = _checked(values, costs, budget)
        return float(values.max(axis=1, initial=0.0).sum())
    _, value = frontier(values, costs, budget)
    return float(value[-1])


def frontier(values: Any, costs: Any, budget: float = math.inf) -> tuple[Floats, Floats]:
    """Corners (spend, value) of V*(S), the most value at a spend of at most S <= budget: concave, straight in between.

    The first corner is what is had for nothing; the last lies at the budget, or where more money brings nothing. Arguments and
    errors as `choice_bound`.
    """
    values, costs = _checked(values, costs, budget)
    free = np.where(costs == 0, np.maximum(values, 0.0), 0.0).max(axis=1, initial=0.0)
    gains, prices = _hull(values, costs, free)
    with np.errstate(over="ignore"):
        order = np.argsort(-(gains / prices), kind="stable")
    gains, prices = gains[order], prices[order]
    spend = np.append(0.0, np.cumsum(prices))
    value = free.sum() + np.append(0.0, np.cumsum(gains))
    whole = int(np.searchsorted(spend, budget, "right"))  # corners within the budget: at least the first
    if whole < spend.size:
        last = value[whole - 1] + gains[whole - 1] * ((budget - spend[whole - 1]) / prices[whole - 1])
        return np.append(spend[:whole], budget), np.append(value[:whole], last)
    return spend, value


def frontier_score(values: Any, costs: Any, budget: float, objective: Objective, worth_of_spend: float = 1.0) -> float:
    """The most score under a budget of at most one option a row; `worth_of_spend` is C, in units of cost over value.

    Raises:
        MarketError: as `choice_bound`, or if `worth_of_spend` is not above 0.
    """
    if not 0 < worth_of_spend < math.inf:
        raise MarketError(f"the worth of spend is a finite number above 0, not {worth_of_spend}")
    return best_score(objective, *frontier(values, costs, budget), worth_of_spend)


def _checked(values: Any, costs: Any, budget: float) -> tuple[Floats, Floats]:
    values, costs = np.asarray(values, np.float64), np.asarray(costs, np.float64)
    if values.ndim != 2 or values.shape != costs.shape:
        raise MarketError(f"values and costs need one shape (n, S), not {values.shape} and {costs.shape}")
    if not (np.isfinite(values).all() and np.isfinite(costs).all() and (costs >= 0).all()):
        raise MarketError("values must be finite, and costs finite and from 0 up")
    if not budget >= 0:
        raise MarketError(f"a budget is a number from 0 up, not {budget}")
    return values, costs


def _hull(values: Floats, costs: Floats, free: Floats) -> tuple[Floats, Floats]:
    """Increments (value, cost > 0) along the upper hull of each row's options, from its best free value up, all rows in one."""
    value, cost = free.copy(), np.zeros_like(free)
    rows = np.arange(len(free))
    gains, prices = [np.zeros(0)], [np.zeros(0)]
    while rows.size:
        more_value, more_cost = values[rows] - value[rows, None], costs[rows] - cost[rows, None]
        better = (more_value > 0) & (more_cost > 0)
        slope = np.zeros_like(more_value)
        with np.errstate(over="ignore"):
            np.divide(more_value, more_cost, out=slope, where=better)
        steepest = slope.argmax(axis=1)
        going = np.flatnonzero(better.any(axis=1))
        at = steepest[going]
        gains.append(more_value[going, at])
        prices.append(more_cost[going, at])
        rows = rows[going]
        value[rows], cost[rows] = values[rows, at], costs[rows, at]
    return np.concatenate(gains), np.concatenate(prices)
