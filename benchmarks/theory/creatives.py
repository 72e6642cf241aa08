"""Creatives of an ad as arms of a bandit: what a mixture of them is clicked, and how often a worse one is tried."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...agents.creative.epsilon_greedy import EpsilonGreedy
from ...agents.creative.even import EvenRotation
from ...simulator import Scenario, World
from ...simulator.core.arrays import Floats
from ...simulator.delivery.rotation import CreativeCount, CreativeSum
from ...simulator.scenario.creatives import Creative, DrawnCreatives
from ...simulator.scenario.delivery import Auction
from ...simulator.scenario.demand import Ad, Advertiser, Campaign, ListedDemand
from ...simulator.scenario.people import Traffic, Users
from ...simulator.scenario.response import Interests
from .check import Check, sampled

RATE, APPEALS = 0.2, (0.6, 0.2, -0.3)  # click rate of the ad; of its creatives, log-odds
EPSILON = 0.3
SEEDS = 12


def market(appeals: tuple[float, ...], requests: int) -> Scenario:
    """One campaign with one ad, which everybody sees, and users who neither differ nor tire."""
    creatives = tuple(Creative(name=f"c{place}", appeal=appeal) for place, appeal in enumerate(appeals))
    campaign = Campaign(name="c", objective="utility", value_per_conversion=1.0, ads=(Ad(name="a", creatives=creatives),))
    return Scenario(
        name="creatives of theory",
        ticks_per_day=4,
        traffic=Traffic(requests_per_day=requests),
        users=Users(count=100, segments=1, dimensions=1),
        rates=Interests(click_rate=RATE, ad_sigma=0.0, affinity=0.0, belief_noise=0.0),
        demand=ListedDemand(advertisers=(Advertiser(name="a", campaigns=(campaign,)),)),
        auction=Auction(pricing="first", slots=1, exposure=(1.0,)),
        creatives=DrawnCreatives(interaction_sigma=0.0, format_sigma=0.0),
    )


def click_rates(scenario: Scenario, appeals: tuple[float, ...]) -> Floats:
    """What each creative is clicked, by the ad's rate, which is that of appeal 0."""
    odds = math.log(RATE / (1 - RATE))
    return np.array([1 / (1 + math.exp(-odds - appeal)) for appeal in appeals])


def shown(scenario: Scenario, policy: Any, seed: int) -> tuple[Floats, float]:
    """Impressions of each creative in the second half of a day, and true expected clicks of an impression of the whole."""
    world = World(scenario, {"creative": policy}, seed=seed)
    world.run(scenario.day_us // 2)
    assert world.creatives is not None
    before = world.creatives.counts[CreativeCount.IMPRESSIONS].copy()
    world.run()
    counts, clicks = world.creatives.counts[CreativeCount.IMPRESSIONS], world.creatives.sums[CreativeSum.CLICKS]
    return (counts - before).astype(np.float64), float(clicks.sum() / counts.sum())


def arms(effort: float, wrong: float = 0.0) -> list[Check]:
    """Check 32: the clicks of even rotation, and the share of the worse creatives under epsilon-greedy, once it knows.

    `wrong` is added to the appeal of the market's worst creative.
    """
    appeals = (*APPEALS[:-1], APPEALS[-1] + wrong)
    scenario = market(appeals, max(round(20_000 * effort), 2_000))
    rates = click_rates(scenario, APPEALS)
    clicks = [shown(scenario, EvenRotation(), seed)[1] for seed in range(SEEDS)]
    worse = []
    for seed in range(SEEDS):
        counts, _ = shown(scenario, EpsilonGreedy(epsilon=EPSILON, after=1e12, prior=1.0, fatigue=False), 100 + seed)
        worse.append(1 - counts[0] / counts.sum())
    return [
        sampled("32 even rotation", "mean of the creatives' click rates", float(rates.mean()), clicks),
        sampled(
            "32 epsilon-greedy, worse creatives",
            "epsilon (n - 1) / n (Sutton & Barto)",
            EPSILON * (1 - 1 / len(APPEALS)),
            worse,
        ),
    ]
