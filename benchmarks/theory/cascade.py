"""How much of the best a stage lets through: a funnel whose recall sees the truth with a known correlation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...simulator import Scenario
from ...simulator.scenario.delivery import Auction, Funnel, Quotas, Stage
from ...simulator.scenario.demand import Advertiser, Campaign, ListedDemand
from ...simulator.scenario.people import Traffic, Users
from ...simulator.scenario.response import Interests
from ..audits.funnel import traced
from .check import Check, sampled

ADS, KEPT, DIMENSIONS = 1_000, 100, 64
CORRELATIONS = (0.3, 0.6, 0.9)
MARKETS = 6  # each with users and ads of its own, so that their means are independent samples


def survival(correlation: float, draws: int = 20_000, ads: int = ADS, kept: int = KEPT) -> tuple[float, float]:
    """P(the best of `ads` by truth is among the `kept` best by a score that is correlated with it), and its standard error.

    Truth is standard normal, the score r truth + sqrt(1 - r^2) noise; by simulation, the best drawn by its quantile.
    """
    dice = np.random.default_rng(0)
    hits = np.empty(draws)
    noise = math.sqrt(1 - correlation**2)
    for start in range(0, draws, 500):
        truth = dice.standard_normal((500, ads), np.float32)
        score = correlation * truth + noise * dice.standard_normal((500, ads), np.float32)
        best = np.take_along_axis(score, truth.argmax(axis=1)[:, None], axis=1)
        hits[start : start + 500] = (score > best).sum(axis=1) < kept
    return float(hits.mean()), float(hits.std() / math.sqrt(draws))


def cascade(ads: int, correlation: float, market_seed: int) -> Scenario:
    """Ads of equal bids and popularity; recall sees all dimensions through so much noise that its scores correlate as asked.

    The noise e of an ad's vector a has |e|^2 = s^2 |a|^2 on average, so that u (a + e) correlates with u a by
    1 / sqrt(1 + s^2).
    """
    campaigns = tuple(Advertiser(name=f"a{k}", campaigns=(Campaign(name=f"c{k}"),)) for k in range(ads))
    return Scenario(
        name="cascade",
        ticks_per_day=1,
        market_seed=market_seed,
        traffic=Traffic(requests_per_day=1000, arrivals="even"),
        users=Users(count=2_000, segments=1, dimensions=DIMENSIONS, spread=1.0),
        rates=Interests(click_rate=0.01, ad_sigma=0.0, affinity=1.0),
        demand=ListedDemand(advertisers=campaigns, vertical_spread=20.0),
        auction=Auction(slots=1, exposure=(1.0,)),
        funnel=Funnel(
            recall=Stage(dimensions=DIMENSIONS, noise=math.sqrt(1 / correlation**2 - 1)),
            rough=Stage(dimensions=DIMENSIONS),
            popular_share=0.0,
            exploring_share=0.0,
            levels=(Quotas(recall=KEPT, rough=KEPT, fine=40),),
        ),
    )


def survivors(effort: float, wrong: float = 1.0) -> list[Check]:
    """Check 17: of 1,000 ads recall keeps 100; how often the truly best is among them.

    `wrong` scales the correlation of the market, for tests that want to see the check fail.
    """
    found = []
    for correlation in CORRELATIONS:
        expected, error = survival(correlation, round(20_000 * effort))
        markets = range(max(4, round(MARKETS * effort)))
        shares: NDArray[np.float64] = np.array(
            [_survive(cascade(ADS, correlation * wrong, seed), round(500 * effort), seed) for seed in markets]
        )
        name = f"17 cascade, correlation {correlation}: the best survives"
        found.append(sampled(name, "normal scores, by simulation", expected, shares, error))
    return found


def _survive(scenario: Scenario, requests: int, seed: int) -> float:
    """The share of requests whose truly best ad leaves recall."""
    return float(np.mean([np.argmax(one.worth) in one.trace.recalled for one in traced(scenario, requests, seed)]))
