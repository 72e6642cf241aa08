"""Compute where it earns most: DCAF's toy, in which a request worth u earns u (1 - exp(-q)) with q units of compute.

Four of 402 ads are worth anything, all the same, and recall draws its candidates at random; one draw in 100.5 finds such an
ad, so that 100 draws are a unit of compute. A user segment clicks on these ads at its rate u. A traffic tier holds the segments
with u in [0, 1/32), [1/32, 2/32), and so on, and the funnel gives each tier as many draws as the theory says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import optimize

from ...simulator import Scenario
from ...simulator.core.arrays import Floats, Integers
from ...simulator.market.market import build
from ...simulator.scenario.delivery import Auction, Funnel, Quotas
from ...simulator.scenario.demand import Ad, Advertiser, Campaign, ListedDemand
from ...simulator.scenario.people import Traffic, Users
from ...simulator.scenario.response import Interests
from .check import Check, ratio, sampled
from .market import Scaled, column, journal_folder, played, whole_ticks

WORTHY, ADS, SEGMENTS, TIERS = 4, 402, 256, 32
TICKS = 50
UNIT = -math.log(1 - WORTHY / ADS)  # compute of one draw, so that q units find an ad with probability 1 - exp(-q)
COMPUTE = {0.5: 100_000, 1.0: 100_000, 2.0: 150_000, 3.0: 200_000}  # mean units a request: requests played


class Tiers(NamedTuple):
    """Requests by what they are worth."""

    of_segment: Integers  # (SEGMENTS,)
    worth: Floats  # (TIERS,) mean u
    weight: Floats  # (TIERS,) of a request, so that tiers weigh the same, as they do if u ~ U[0, 1]


def toy(requests: int) -> Scenario:
    """The market before anybody is preferred: one draw a request. Each segment is one user, all of about the same activity."""
    names = {"worthy": WORTHY, "others": ADS - WORTHY}
    advertisers = tuple(
        Advertiser(name=name, campaigns=(Campaign(name=name, ads=tuple(Ad(name=f"ad{n}") for n in range(count))),))
        for name, count in names.items()
    )
    return Scenario(
        name="compute",
        ticks_per_day=TICKS,
        traffic=Traffic(requests_per_day=requests, arrivals="even"),
        users=Users(count=SEGMENTS, segments=SEGMENTS, dimensions=32, spread=0.0, activity_tail=100.0),
        rates=Interests(click_rate=0.5, ad_sigma=0.0, affinity=1.75),  # the log odds of U[0, 1] have deviation 1.81
        demand=ListedDemand(advertisers=advertisers),
        auction=Auction(pricing="first", slots=1, exposure=(1.0,)),
        funnel=Funnel(popular_share=0.0, exploring_share=1.0, levels=(Quotas(recall=1, rough=1, fine=1),)),
    )


def tiers(scenario: Scenario) -> Tiers:
    """The tiers of the market's segments, by true click rates."""
    market = build(scenario)
    assert market.ads is not None
    odds = market.users.interests.astype(np.float64) @ market.ads.vectors[0] + market.ads.bias[0]
    worth = 1 / (1 + np.exp(-odds))
    tier = (worth * TIERS).astype(np.int64)
    traffic = np.diff(market.users.segment_share[0], prepend=0.0)
    share = np.bincount(tier, traffic, TIERS)
    return Tiers(tier, np.bincount(tier, traffic * worth, TIERS) / share, 1 / TIERS / share)


def optimum(worth: Floats, compute: float) -> Floats:
    """Units for requests worth u that earn most at a mean of `compute`: max(ln(u / lambda), 0), by a search for lambda."""

    def units(log_price: float) -> Floats:
        return np.maximum(np.log(worth) - log_price, 0.0)

    best = optimize.brentq(lambda log_price: units(log_price).mean() - compute, math.log(worth.max()) - 50, 0.0)
    return units(best)


def draws(units: Floats) -> Integers:
    """Whole draws for units of compute."""
    return np.rint(units / UNIT).astype(np.int64)


def earned(worth: Floats, quota: Integers) -> float:
    """What a request earns on average, with tiers of equal weight."""
    return float((worth * -np.expm1(-UNIT * quota)).mean())


def shadow_price(compute: float) -> float:
    """lambda of the optimum for u ~ U[0, 1]: -ln(lambda) - 1 + lambda = compute."""
    return math.exp(optimize.brentq(lambda x: -x - 1 + math.exp(x) - compute, -50.0, 0.0))


def equal_compute(compute: float) -> float:
    """The compute at which the optimum for u ~ U[0, 1] earns what `compute` does spent alike on all."""
    price = 1 - math.sqrt(-math.expm1(-compute))  # (1 - lambda)^2 / 2 = (1 - exp(-compute)) / 2
    return -math.log(price) - 1 + price


def measured(scenario: Scenario, told: Tiers, quota: Integers) -> Floats:
    """Revenue a request in each tick, shape (TICKS,), where tiers have these quotas (TIERS,), and tiers weigh the same."""
    levels = [[{"recall": q, "rough": min(q, 1), "fine": min(q, 1)}] for q in quota.tolist()]
    own = [{"tier": tier, "levels": its} for tier, its in enumerate(levels)]
    market = scenario.override({"users.tiers": told.of_segment.tolist(), "funnel.tiers": own})
    with journal_folder() as folder:
        played(market, Scaled(np.array([1.0, 0.0])), seed=14, journal=folder)
        request, user, price = (column(folder, "impressions", name) for name in ("request", "user", "price"))
    a_tick = scenario.traffic.requests_per_day // TICKS
    weight = told.weight[told.of_segment[user]]  # each user is a segment
    return np.bincount(request // a_tick, price * weight, TICKS) / a_tick


def allocation(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 14: quotas by tier against one quota for all, at the same compute and at the same revenue (Jiang et al. 2020).

    Expected is what these tiers and whole draws earn, exactly; sources name the limit of more and more tiers. `wrong` gives
    requests the quotas that would be best if they were worth u ** wrong, for tests that want to see the check fail.
    """
    found = []
    for compute, requests in COMPUTE.items():
        scenario = toy(whole_ticks(requests * effort, TICKS))
        told = tiers(scenario)
        alike, less = np.full(TIERS, round(compute / UNIT)), equal_compute(compute)
        best, frugal = (draws(optimum(told.worth, units)) for units in (compute, less))
        given, given_less = (draws(optimum(told.worth**wrong, units)) for units in (compute, less))
        same, most, least = (measured(scenario, told, quota) for quota in (alike, given, given_less))
        base, top = earned(told.worth, alike), earned(told.worth, best)
        limit, fixed = (1 - shadow_price(compute)) ** 2 / 2, -math.expm1(-compute) / 2
        name, source = f"14 compute, C={compute:g}", "Jiang et al. 2020"
        found += [
            sampled(f"{name}: revenue, one quota", f"(1-e^-C)/2, limit {fixed:.5f}", base, same),
            sampled(f"{name}: revenue, best quotas", f"(1-l)^2/2, limit {limit:.5f}; {source}", top, most),
            ratio(f"{name}: gain", f"limit {limit / fixed - 1:.2%}; {source}", top / base - 1, most - same, same),
            ratio(
                f"{name}: revenue with {1 - less / compute:.1%} less", f"limit 1; {source}",
                earned(told.worth, frugal) / base, least, same,
            ),
        ]  # fmt: skip
    return found
