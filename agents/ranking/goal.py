"""What a ranking is judged by: what impressions were worth to advertisers, and the visits that users left content will make."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World


@lru_cache(maxsize=16)
def request_worth(scenario: Scenario) -> float:
    """What a request is worth to advertisers on an even day as the platform expects it, currency: nobody's ranking moves it."""
    market = build(scenario)
    return float(market.expected.conversions @ market.campaigns.value) / scenario.expected_requests


def left(world: World) -> float:
    """What the satisfaction of users is worth at the end of a run, currency; 0 where requests come by themselves.

    Satisfaction is a running mean over some 1 / `satisfaction_rate` requests of a user, and lasts for as long: so many requests
    of each count, times the share of visits to which a user of that satisfaction comes, at what a request is worth on an even
    day. Without it whoever shows more ads in the last days would win by visits that are lost after the end.
    """
    sessions = world.scenario.sessions
    if sessions is None or world.visits is None:
        return 0.0
    odds = np.log(sessions.visit_share / (1 - sessions.visit_share)) + sessions.visit_slope * (world.visits.satisfaction - 1)
    visits = float((1 / (1 + np.exp(-odds))).sum())
    return request_worth(world.scenario) / sessions.satisfaction_rate * visits


def score(world: World) -> float:
    """True expected value of all impressions to advertisers, and what is `left`, currency."""
    return float(world.ledger.value().sum()) + left(world)
