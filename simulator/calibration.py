"""What a day without weather should bring: expectations from a sample of requests, for budgets and for history.

Drawn campaigns get budgets as shares of what the day would cost them at multiplier 1, and as `prior` the multiplier at
which an expected day spends just that budget; a target CPA may be a multiple of what they then pay for a conversion.
Every campaign's expected day is what its history tells (impressions, conversions, cost); nothing here looks at a day that
is going to be played.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .auction import LANES, PRICING, campaign_of, price_rank, rank_of, select
from .chance import Stream, generator, stream_keys
from .compiled import kernel
from .demand import MICRO, Campaigns, conversion_rates
from .population import AdVectors, Users, rates
from .scenario import DrawnDemand, Scenario
from .traffic import Intensity, arrive, day_shares

SAMPLE = 8192  # requests, at most
SAMPLED_RATES = 1 << 25  # of all ads together: a large inventory is sampled on fewer requests
STEPS = 1000  # of a campaign's histogram of prices, from 0 to the largest of the sample
Floats32 = NDArray[np.float32]
ROUNDS = 200  # of the fixed point for prior multipliers, with falling steps: campaigns push each other's prices about


class Expectation(NamedTuple):
    """An expected day, shape (campaigns,): at the prior multipliers, budgets not enforced. Money in currency."""

    impressions: NDArray[np.float64]
    conversions: NDArray[np.float64]  # as believed
    spend: NDArray[np.float64]
    rate: NDArray[np.float64]  # mean believed conversions per impression, over all requests
    unconstrained_spend: NDArray[np.float64]  # at multiplier 1, before targets were made multiples of a usual CPA
    prices: NDArray[np.float64]  # (campaigns, STEPS + 1) requests of the sample by what would have won the last slot
    price_unit: NDArray[np.float64]  # of those steps


def expectation(scenario: Scenario, table: Campaigns, people: Users, ads: AdVectors | None) -> tuple[Campaigns, Expectation]:
    """The campaigns with budgets and priors filled in where they are drawn, and what a day should bring them."""
    rate, weight = _sample(scenario, table, people, ads)
    requests = scenario.traffic.requests_per_day
    slots = scenario.auction.seen
    marginal = np.append(scenario.auction.marginal, 0.0)
    none, no_row = np.empty((0, 0), np.float32), np.full(len(table.names), -1)
    endless = np.full(len(table.names), np.inf, np.float32)
    top = np.zeros((len(slots) + 1, LANES), np.int64)

    def day(multiplier: NDArray[np.float64]) -> NDArray[np.float64]:
        live = (multiplier * table.target * MICRO).astype(np.float32)
        reserve = np.float32(scenario.auction.reserve * MICRO)
        totals = np.zeros((3, len(live)))
        pricing = PRICING[scenario.auction.pricing]
        expected_day(rate, weight, none, no_row, live, endless, reserve, pricing, slots, marginal, top, totals)
        totals *= requests / rate.shape[1]
        return totals

    unconstrained = day(np.ones(len(table.names)))[1] / MICRO
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.budget_share is not None:
        dice = generator(scenario.market_seed, Stream.CAMPAIGNS, 2)
        share = scenario.demand.budget_share * np.exp(scenario.demand.budget_sigma * dice.standard_normal(len(table.names)))
        budget = np.maximum(share * unconstrained, table.target)  # of one conversion at least
        prior = np.ones(len(table.names))
        for number in range(ROUNDS):
            spend = np.maximum(day(prior)[1] / MICRO, 1e-9)
            step = 0.6 / (1 + number / 20)
            prior = np.clip(prior * np.clip(budget / spend, 0.2, 4.0) ** step, 0.01, 1.0)
        table = table.with_budgets(budget, prior)
    impressions, spend, conversions = day(table.prior)
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.target_cpa_share is not None:
        usual = np.divide(spend / MICRO, conversions, out=table.target.copy(), where=(spend > 0) & (conversions > 0))
        table = table.with_targets(scenario.demand.target_cpa_share * usual)
    cost = np.empty_like(rate)
    live, reserve = (table.prior * table.target * MICRO).astype(np.float32), np.float32(scenario.auction.reserve * MICRO)
    least_winning_costs(rate, weight, none, no_row, live, endless, reserve, slots, top, cost)
    price_unit = np.maximum(cost.max(axis=1).astype(np.float64), 1.0) / STEPS
    steps = np.ceil(cost / price_unit[:, None] * (1 - 1e-12)).astype(np.int64)
    return table, Expectation(
        impressions=impressions,
        conversions=conversions,
        spend=spend / MICRO,
        rate=rate.mean(axis=1, dtype=np.float64),
        unconstrained_spend=unconstrained,
        prices=np.array([np.bincount(row, minlength=STEPS + 1) for row in steps], np.float64),
        price_unit=price_unit / MICRO,
    )


def _sample(scenario: Scenario, table: Campaigns, people: Users, ads: AdVectors | None) -> tuple[Floats32, Floats32]:
    """Requests of an even day, (campaigns, sample): believed conversions per impression of campaigns' best ads, and the weight
    of their ranks, (0, 0) where all are 1.
    """
    sample = min(SAMPLE, max(LANES, SAMPLED_RATES // len(table.appeal) // LANES * LANES))
    keys = stream_keys(int(generator(scenario.market_seed, Stream.SAMPLE).integers(1 << 62)))
    tick_us, ticks = scenario.tick_us, scenario.ticks_per_day
    rate = np.append(sample * day_shares(scenario.traffic.curve, ticks) / tick_us, 0.0)
    time = np.arange(ticks + 1, dtype=np.int64) * tick_us
    total = np.concatenate([[0.0], np.cumsum(rate[:-1] * tick_us)])
    even = Intensity(time, total, rate)
    epochs, times, users = np.empty(sample), np.empty(sample, np.int64), np.empty(sample, np.int64)
    who = (people.segment_share, people.segment_start, people.alias_share, people.alias_user)
    arrive(keys, 0, True, 0.0, 0, tick_us, *even, *who, np.empty((3, sample)), epochs, times, users)
    model = rates(scenario.rates, people, ads, len(table.appeal), sample, keys)
    block = np.empty((len(table.appeal), sample), np.float32)
    model.fill(0, users, block)
    best = np.maximum.reduceat(block, table.first_ad[:-1], axis=0)
    _, believed = conversion_rates(scenario, table)
    per_click = believed[times // tick_us % ticks].T
    squashing = scenario.auction.squashing
    weight = np.empty((0, 0), np.float32) if squashing == 1 else best ** np.float32(squashing - 1)
    return np.ascontiguousarray(best * per_click, np.float32), weight


@kernel()
def expected_day(
    rate: Any, weight: Any, none: Any, no_row: Any, live: Any, endless: Any, reserve: Any, pricing: Any, seen: Any,
    marginal: Any, top: Any, totals: Any,
) -> None:  # fmt: skip
    """Adds to totals (3, campaigns) the expected impressions, cost (millionths) and conversions of a block of requests."""
    for start in range(0, rate.shape[1], LANES):
        select(start, LANES, rate, weight, none, no_row, live, endless, endless, reserve, seen, top)
        for lane in range(LANES):
            for slot in range(len(seen)):
                winner = top[slot, lane]
                if winner == 0:
                    break
                k = campaign_of(winner)
                floor = np.float64(reserve)
                w = np.float64(weight[k, start + lane]) if weight.size > 0 else 1.0
                price = price_rank(pricing, top, lane, slot, marginal, floor * w) / w
                price = min(max(price, floor), rank_of(winner) / w)
                totals[0, k] += marginal[slot]
                totals[1, k] += marginal[slot] * price
                totals[2, k] += marginal[slot] * rate[k, start + lane]


@kernel()
def least_winning_costs(
    rate: Any, weight: Any, none: Any, no_row: Any, live: Any, endless: Any, reserve: Any, seen: Any, top: Any, cost: Any
) -> None:
    """Writes into cost (campaigns, requests) the bid, in millionths, that would win each campaign the last slot."""
    last = len(seen) - 1
    for start in range(0, rate.shape[1], LANES):
        select(start, LANES, rate, weight, none, no_row, live, endless, endless, reserve, seen, top)
        for lane in range(LANES):
            # Who wins need only beat the best of those who do not; who does not, the last winner.
            outsider, insider = rank_of(top[last, lane]), rank_of(top[last + 1, lane])
            for k in range(rate.shape[0]):
                cost[k, start + lane] = np.float32(outsider)
            for slot in range(last + 1):
                if top[slot, lane] != 0:
                    cost[campaign_of(top[slot, lane]), start + lane] = np.float32(insider)
            for k in range(rate.shape[0]):
                w = weight[k, start + lane] if weight.size > 0 else np.float32(1)
                cost[k, start + lane] = max(cost[k, start + lane] / w, reserve)
