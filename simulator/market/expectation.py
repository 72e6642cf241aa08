"""What a day without weather should bring: expectations from a sample of requests, for budgets and for history.

Drawn campaigns get budgets as shares of what the day would cost them at multiplier 1, and as `prior` the multiplier at
which an expected day spends just that budget; a target CPA may be a multiple of what they then pay for a conversion.
Every campaign's expected day is what its history tells (impressions, conversions, cost); nothing here looks at a day that
is going to be played.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.chance import Stream, generator
from ..core.money import MICRO
from ..delivery.auction import PRICING
from ..delivery.selection import Bids
from ..delivery.stages import StageView
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..population.users import People
from ..requests.language import Language
from ..requests.surfaces import new_surfaces
from ..scenario.demand import DrawnDemand
from ..scenario.tree import Scenario
from .expected_day import expected_day, least_winning_costs
from .sample import Sample, mean_rates, new_sample, sampled_bids

STEPS = 1000  # of a campaign's histogram of prices, from 0 to the largest of the sample
ROUNDS = 200  # of the fixed point for prior multipliers, with falling steps: campaigns push each other's prices about


class Expectation(NamedTuple):
    """An expected day, shape (campaigns,): at the prior multipliers, budgets not enforced. Money in currency."""

    impressions: NDArray[np.float64]
    conversions: NDArray[np.float64]  # as believed
    spend: NDArray[np.float64]
    rate: NDArray[np.float64]  # mean believed conversions per impression, over all requests
    unconstrained_spend: NDArray[np.float64]  # at multiplier 1, before targets were made multiples of a usual CPA
    # (campaigns, STEPS + 1) requests of the sample by what would have won the last slot; None behind a funnel, where a campaign
    # does not meet every request
    prices: NDArray[np.float64] | None
    price_unit: NDArray[np.float64] | None  # of those steps


def expectation(
    scenario: Scenario, table: Campaigns, people: People, ads: AdVectors | None, language: Language | None,
    stages: tuple[StageView, StageView] | None,
) -> tuple[Campaigns, Expectation]:  # fmt: skip
    """The campaigns with budgets and priors filled in where they are drawn, and what a day should bring them.

    Behind a funnel the candidates of the sample depend on the bids in its index: they are drawn at multiplier 1 and, once
    priors are known, again.
    """
    requests, count = scenario.expected_requests, len(table.names)
    pricing = PRICING[scenario.auction.pricing]

    def bids_of(sample: Sample, multiplier: NDArray[np.float64]) -> Addressed[Bids]:
        return sampled_bids(sample, (multiplier * table.target * MICRO).astype(np.float32), scenario)

    def day(sample: Sample, multiplier: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = np.zeros((4, count))
        expected_day(bids_of(sample, multiplier), sample.click, sample.surface, surfaces, pricing, totals)
        totals *= requests / sample.rate.shape[1]
        return totals

    def priors(sample: Sample, budget: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        for number in range(ROUNDS):
            spend = np.maximum(day(sample, prior)[1] / MICRO, 1e-9)
            step = 0.6 / (1 + number / 20)
            prior = np.clip(prior * np.clip(budget / spend, 0.2, 4.0) ** step, 0.01, 1.0)
        return prior

    surfaces = new_surfaces(scenario, language)
    sample = new_sample(scenario, table, people, ads, language, stages)
    unconstrained = day(sample, np.ones(count))[1] / MICRO
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.budget_share is not None:
        dice = generator(scenario.market_seed, Stream.CAMPAIGNS, 2)
        share = scenario.demand.budget_share * np.exp(scenario.demand.budget_sigma * dice.standard_normal(count))
        budget = np.maximum(share * unconstrained, table.target)  # of one conversion at least
        table = table.with_budgets(budget, prior := priors(sample, budget, np.ones(count)))
        if stages is not None:
            sample = new_sample(scenario, table, people, ads, language, stages)
            table = table.with_budgets(budget, priors(sample, budget, prior))
    impressions, spend, conversions, _ = day(sample, table.prior)
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.target_cpa_share is not None:
        usual = np.divide(spend / MICRO, conversions, out=table.target.copy(), where=(spend > 0) & (conversions > 0))
        table = table.with_targets(scenario.demand.target_cpa_share * usual)
    prices = unit = None
    if stages is None:
        cost = np.empty_like(sample.rate)
        least_winning_costs(bids_of(sample, table.prior), sample.surface, surfaces, cost)
        price_unit = np.maximum(cost.max(axis=1).astype(np.float64), 1.0) / STEPS
        steps = np.ceil(cost / price_unit[:, None] * (1 - 1e-12)).astype(np.int64)
        prices = np.array([np.bincount(row, minlength=STEPS + 1) for row in steps], np.float64)
        unit = price_unit / MICRO
    return table, Expectation(
        impressions=impressions,
        conversions=conversions,
        spend=spend / MICRO,
        rate=sample.rate.mean(axis=1, dtype=np.float64) if stages is None else mean_rates(sample, count),
        unconstrained_spend=unconstrained,
        prices=prices,
        price_unit=unit,
    )
