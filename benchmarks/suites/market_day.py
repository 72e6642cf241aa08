"""A day of a market in which a crowd bids: who sits where, and the days that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...agents.bidding import POLICIES
from ...agents.bidding.fixed import Fixed
from ...agents.bidding.pid import PID
from ...agents.bidding.rivals import MIXES, contested
from ...agents.catalogue import make_policy
from ...agents.crowds import Seats, deal
from ...agents.hindsight.multiplier import multipliers
from ...agents.hindsight.pacing import pacing_equilibrium
from ...agents.hindsight.scores import day_scores
from ...agents.hindsight.static import Scale, best_constant
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError, PolicyError
from ...simulator.core.money import MICRO, UNLIMITED
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicy
from ...simulator.world import World

PROTOCOLS = {
    "alike": "the policy bids for every campaign",
    "half": "the policy bids for every other campaign of each vertical, PID for the rest",
    "promoted": "the policy bids for every campaign, and 7 in 48 of them have twice their budget, which nobody foresaw",
}
PROMOTED = 7 / 48  # share of campaigns, as PlatformBid has it
RAISED = 2.0  # factor on their budgets
HALVINGS = 40  # of common bids, at most
COARSE = 0.03  # tolerance of searches for constants


@dataclass
class Mixture(BidPolicy):
    """A crowd of several kinds, for the suite `market`, which deals them in turn within each vertical.

    `of` is a mix of rivals ("mixed"), or names of policies between slashes: "pid/dual:step=0.1". Agents and policies of one's
    own are none of them: rows that are kept would not know when their files change.
    """

    of: str = "mixed"

    def __post_init__(self) -> None:
        if self.of in MIXES:
            return
        for text in self.of.split("/"):
            if text.partition(":")[0] not in POLICIES:
                raise PolicyError(f"a mixture is a mix of rivals or policies of this package between slashes, not {self.of!r}")
            make_policy("bidding", text)

    def kinds(self) -> list[BidPolicy]:
        """Its policies in the order in which they are dealt, one object of each kind."""
        if self.of in MIXES:
            one = {kind: kind() for kind in MIXES[self.of]}
            return [one[kind] for kind in MIXES[self.of]]
        made = {text: make_policy("bidding", text) for text in self.of.split("/")}
        return [made[text] for text in self.of.split("/")]


class Day(NamedTuple):
    """A day of a market, by what it is found again."""

    scenario: Scenario
    seed: int
    is_promoted: bool  # whether some budgets are raised

    def world(self, seats: Seats) -> World:
        """The day with such policies, before it begins."""
        world = World(self.scenario, {"bidding": seats}, seed=self.seed)
        if self.is_promoted:
            for k in promoted(self.scenario):
                world.set_budget(k, budgets(self)[k])
        return world

    def played(self, seats: Seats) -> World:
        """The day with such policies, at its end."""
        world = self.world(seats)
        world.run()
        return world


class CrowdDay:
    """A day with a crowd: a world to be played once, and to be played again by whoever leaves the crowd.

    `held` are the campaigns that the judged policy bids for.
    """

    def __init__(self, day: Day, seats: Seats, held: Sequence[int]) -> None:
        self.day, self.seats, self.held = day, seats, list(held)
        self.world = day.world(seats)

    def run(self) -> None:
        """Plays it to its end."""
        self.world.run()


def seated(scenario: Scenario, seed: int, policy: BidPolicy, protocol: str) -> CrowdDay:
    """The day of a seed with a policy in the seats that a protocol gives it. Raises `MarketError` if it cannot have them."""
    if protocol == "half":
        if isinstance(policy, Mixture):
            raise MarketError("a mixture bids for all campaigns: half and half takes one policy, against PID")
        seats = deal(scenario, (policy, PID()))
        return CrowdDay(Day(scenario, seed, False), seats, [int(k) for k, own in seats.items() if own is policy])
    seats = deal(scenario, policy.kinds() if isinstance(policy, Mixture) else [policy])
    return CrowdDay(Day(scenario, seed, protocol == "promoted"), seats, range(len(seats)))


def promoted(scenario: Scenario) -> list[int]:
    """The campaigns whose budgets are raised, evenly spread over the market; none without a budget."""
    listed = build(scenario).campaigns.listed
    count = max(round(PROMOTED * len(listed)), 1)
    places = [int((n + 0.5) * len(listed) / count) for n in range(count)]
    return [k for k in places if listed[k].budget_per_day is not None]


@lru_cache(maxsize=64)
def budgets(day: Day) -> Floats:
    """Of the campaigns a day, (K,) currency; inf: unlimited."""
    budget = build(day.scenario).campaigns.budget
    plain = np.where(budget < UNLIMITED // 2, budget / MICRO, np.inf)
    if day.is_promoted:
        plain[promoted(day.scenario)] *= RAISED
    return plain


def common_bids(tolerance: float = COARSE) -> Scale[Fixed]:
    """Constant multipliers of the target, the same for all."""
    return Scale(1.0, lambda multiplier: Fixed(multiplier, times_prior=False), tolerance)


class References(NamedTuple):
    """What a day brings to others than the crowd that is judged; money in currency."""

    mixed_value: Floats  # (K,) to each campaign in a crowd of mixed classics
    mixed_revenue: float
    truthful_revenue: float  # where all bid what a conversion is worth to them
    joint_revenue: float  # where all bid the same multiple of that, the one that leaves them most beyond what they pay
    equilibrium_value: float  # of all campaigns in the pacing equilibrium
    equilibrium_revenue: float


@lru_cache(maxsize=4)
def references(day: Day) -> References:
    """See `References`; kept, since the crowds of a comparison are played on a day one after another."""
    mixed = day.played(deal(day.scenario, Mixture("mixed").kinds()))
    revenue, surplus = list[float](), list[float]()
    for halvings in range(HALVINGS):
        if halvings and surplus[-1] < max(surplus):  # the reserve keeps them out
            break
        ledger = day.played(deal(day.scenario, [Fixed(0.5**halvings, times_prior=False)])).ledger
        revenue.append(float(ledger.spend().sum()))
        surplus.append(float(ledger.value().sum()) - revenue[-1])
    equilibrium = pacing_equilibrium(day.scenario, day.seed, budgets=budgets(day))
    return References(
        mixed_value=mixed.ledger.value().sum(axis=0),
        mixed_revenue=float(mixed.ledger.spend().sum()),
        truthful_revenue=revenue[0],
        joint_revenue=revenue[int(np.argmax(surplus))],
        equilibrium_value=float(equilibrium.value.sum()),
        equilibrium_revenue=float(equilibrium.spend.sum()),
    )


def leaver(scenario: Scenario, seed: int) -> int:
    """The campaign that may leave a crowd on a day: in turn, of those whose budgets bind and that every protocol gives it."""
    with_it = {k for k, policy in deal(scenario, ("in", "out")).items() if policy == "in"}
    held = [k for k in contested(scenario, len(with_it) * 2) if k in with_it]
    if not held:
        raise MarketError(
            f"scenario {scenario.name!r} has no campaign whose budget binds at an even place in its vertical, so nobody could "
            "leave a crowd"
        )
    return held[seed % len(held)]


def leaving(crowd: CrowdDay, campaign: int) -> float:
    """What the day's best constant multiplier brings a campaign that leaves a crowd which stays as it is, by its objective."""

    def score(policy: Fixed) -> float:
        return float(day_scores(crowd.day.played({**crowd.seats, campaign: policy}), campaign).sum())

    return best_constant(multipliers(crowd.day.scenario, campaign, COARSE), score).score


def responses(scenario: Scenario, seeds: Sequence[int], crowd: Seats, policy: BidPolicy) -> tuple[Floats, Floats]:
    """What the leaver of each day gains with a policy of its own, and what it had with the crowd: scores, (days,) each.

    An adaptive policy that was trained against the crowd as it is (`AdArena/Market-v0` with one agent) shows on days that it
    has not seen how much can be gained by leaving at least; each day's best constant (`leaving`) at most, with foresight.
    """
    gained, kept = np.zeros((2, len(seeds)))
    for n, seed in enumerate(seeds):
        day, k = Day(scenario, seed, False), leaver(scenario, seed)
        gained[n], kept[n] = (float(day_scores(day.played(seats), k).sum()) for seats in ({**crowd, k: policy}, crowd))
    return gained, kept
