"""Static hindsight of one campaign: the best constant multiplier of its days, rivals reacting. For judges only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ...simulator.core.errors import MarketError, PolicyError
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicies, BidPolicy
from ...simulator.world import World
from ..bidding.fixed import Fixed
from ..bidding.rivals import unsettled
from .scores import day_scores
from .static import Scale, best_constant


class StaticHindsight(NamedTuple):
    """The best constant multiplier of a day, and what it brings the campaign in currency."""

    multiplier: float
    value: float  # true expected value of exposed wins
    spend: float
    score: float  # what it is the best by, as the campaign's objective has it (see `objectives`)


def multipliers(scenario: Scenario, campaign: int, tolerance: float = 0.01) -> Scale[Fixed]:
    """The constant multipliers of a campaign, around the prior. Raises `MarketError` as `Scale` does."""
    prior = float(build(scenario).campaigns.prior[campaign])
    return Scale(prior, lambda multiplier: Fixed(multiplier, times_prior=False), tolerance)


def static_hindsight(
    scenario: Scenario,
    policies: BidPolicies | Callable[[], BidPolicies | None] | None,
    campaign: int | str,
    seed: int,
    tolerance: float = 0.01,
) -> StaticHindsight:
    """The best constant multiplier for one campaign on the days of a seed, by full re-simulation.

    `policies` are those of the bid seat (or a function that makes them); the campaign's own, if any, gives up its place. The
    search goes over a geometric grid with ratio 1 + `tolerance` around the prior, see `best_constant`.

    Raises:
        MarketError: if there is no such campaign, it is billed by conversion, or `tolerance` is not between 0 and 1.
    """
    table = build(scenario).campaigns
    k = table.place(campaign)
    if k is None:
        raise MarketError(f"there is no campaign {campaign!r} in scenario {scenario.name!r}")
    if not table.settled_at_once[k]:
        raise MarketError(unsettled(table.names[k], "static hindsight"))
    found: dict[float, StaticHindsight] = {}

    def play(policy: Fixed) -> float:
        seat = _with(policies() if callable(policies) else policies, k, table.names, policy)
        world = World(scenario, {"bidding": seat}, seed=seed)
        world.run()
        value, spend = float(world.ledger.value()[:, k].sum()), float(world.ledger.spend()[:, k].sum())
        found[policy.multiplier] = StaticHindsight(policy.multiplier, value, spend, float(day_scores(world, k).sum()))
        return found[policy.multiplier].score

    return found[best_constant(multipliers(scenario, k, tolerance), play).constant]


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
