"""The best possible, knowing the future: static hindsight (a yardstick) and the clairvoyant bound. For judges only.

*Static hindsight* replays the day with constant multipliers and lets the rivals react; an adaptive policy may exceed it. The
*clairvoyant bound* takes the rivals' bids as they were in a policy's own run, and bounds the value of that run only: rivals
that react to another policy would bid differently. The *frontier bound* does the same for the score of its objective.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ...simulator.core.errors import MarketError, PolicyError
from ...simulator.core.numeric import real
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicies, BidPolicy
from ...simulator.world import World
from ..bidding import Fixed
from ..bidding.rivals import unsettled
from .scores import day_scores

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
        world = World(scenario, {"bidding": seat}, seed=seed)
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
