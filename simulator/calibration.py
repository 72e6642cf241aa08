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

from .auction import LANES, PRICING, campaign_of, price_rank, rank_of, select, select_among
from .chance import Stream, generator, stream_keys
from .compiled import kernel
from .demand import MICRO, Campaigns
from .forecast import forecast
from .funnel import StageView, Winnow
from .population import AdVectors, Users, rates
from .scenario import DrawnDemand, Scenario
from .search import Language
from .surfaces import Asking, lifted, new_surfaces
from .traffic import Intensity, arrive

SAMPLE = 8192  # requests; behind a funnel see `_sample`
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
    # (campaigns, STEPS + 1) requests of the sample by what would have won the last slot; None behind a funnel, where a campaign
    # does not meet every request
    prices: NDArray[np.float64] | None
    price_unit: NDArray[np.float64] | None  # of those steps


class Sample(NamedTuple):
    """Requests of an even day; R rows are campaigns, or behind a funnel candidates."""

    rate: Floats32  # (R, requests) believed conversions per impression of the campaign's best ad, or of the candidate
    who: NDArray[np.int64]  # (R, requests) campaigns of candidates; (0, 0) without a funnel
    weight: Floats32  # (R, requests) of their ranks; (0, 0) where all are 1
    surface: NDArray[np.int64]  # (requests,), or (0,) where there is but one


def expectation(
    scenario: Scenario, table: Campaigns, people: Users, ads: AdVectors | None, language: Language | None,
    stages: tuple[StageView, StageView] | None,
) -> tuple[Campaigns, Expectation]:  # fmt: skip
    """The campaigns with budgets and priors filled in where they are drawn, and what a day should bring them.

    Behind a funnel the candidates of the sample depend on the bids in its index: they are drawn at multiplier 1 and, once
    priors are known, again.
    """
    requests, count = scenario.expected_requests, len(table.names)
    slots = scenario.auction.seen
    none, no_row = np.empty((0, 0), np.float32), np.full(count, -1)
    endless = np.full(count, np.inf, np.float32)
    top = np.zeros((len(slots) + 1, LANES), np.int64)
    reserve, pricing = np.float32(scenario.auction.reserve * MICRO), PRICING[scenario.auction.pricing]

    def day(sample: Sample, multiplier: NDArray[np.float64]) -> NDArray[np.float64]:
        live = (multiplier * table.target * MICRO).astype(np.float32)
        totals = np.zeros((3, count))
        expected_day(*sample, surfaces, none, no_row, live, endless, reserve, pricing, slots, top, totals)
        totals *= requests / sample.rate.shape[1]
        return totals

    def priors(sample: Sample, budget: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        for number in range(ROUNDS):
            spend = np.maximum(day(sample, prior)[1] / MICRO, 1e-9)
            step = 0.6 / (1 + number / 20)
            prior = np.clip(prior * np.clip(budget / spend, 0.2, 4.0) ** step, 0.01, 1.0)
        return prior

    surfaces = new_surfaces(scenario, language)
    sample = _sample(scenario, table, people, ads, language, stages)
    unconstrained = day(sample, np.ones(count))[1] / MICRO
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.budget_share is not None:
        dice = generator(scenario.market_seed, Stream.CAMPAIGNS, 2)
        share = scenario.demand.budget_share * np.exp(scenario.demand.budget_sigma * dice.standard_normal(count))
        budget = np.maximum(share * unconstrained, table.target)  # of one conversion at least
        table = table.with_budgets(budget, prior := priors(sample, budget, np.ones(count)))
        if stages is not None:
            sample = _sample(scenario, table, people, ads, language, stages)
            table = table.with_budgets(budget, priors(sample, budget, prior))
    impressions, spend, conversions = day(sample, table.prior)
    if isinstance(scenario.demand, DrawnDemand) and scenario.demand.target_cpa_share is not None:
        usual = np.divide(spend / MICRO, conversions, out=table.target.copy(), where=(spend > 0) & (conversions > 0))
        table = table.with_targets(scenario.demand.target_cpa_share * usual)
    prices = unit = None
    if stages is None:
        cost = np.empty_like(sample.rate)
        live = (table.prior * table.target * MICRO).astype(np.float32)
        costs = sample.rate, sample.weight, sample.surface, surfaces, none, no_row, live, endless, reserve, slots, top, cost
        least_winning_costs(*costs)
        price_unit = np.maximum(cost.max(axis=1).astype(np.float64), 1.0) / STEPS
        steps = np.ceil(cost / price_unit[:, None] * (1 - 1e-12)).astype(np.int64)
        prices = np.array([np.bincount(row, minlength=STEPS + 1) for row in steps], np.float64)
        unit = price_unit / MICRO
    return table, Expectation(
        impressions=impressions,
        conversions=conversions,
        spend=spend / MICRO,
        rate=sample.rate.mean(axis=1, dtype=np.float64) if stages is None else _mean_rates(sample, count),
        unconstrained_spend=unconstrained,
        prices=prices,
        price_unit=unit,
    )


def _mean_rates(sample: Sample, campaigns: int) -> NDArray[np.float64]:
    """Believed conversions per request of each campaign, where it is a candidate."""
    total = np.bincount(sample.who.ravel(), sample.rate.ravel(), minlength=campaigns).astype(np.float64)
    return total / np.float64(sample.rate.shape[1])


def _sample(
    scenario: Scenario, table: Campaigns, people: Users, ads: AdVectors | None, language: Language | None,
    stages: tuple[StageView, StageView] | None,
) -> Sample:  # fmt: skip
    """Requests of an even day, and the candidates of a funnel whose index holds the bids of `table`'s priors."""
    keys = stream_keys(int(generator(scenario.market_seed, Stream.SAMPLE).integers(1 << 62)))
    count = SAMPLE if stages is None else LANES * min(max(len(table.names) // 2, 16), 512)  # 32 requests for each campaign
    users, ticks = _requests(scenario, people, keys, count)
    believed = lifted(scenario, language, table)[1]
    surfaces = new_surfaces(scenario, language)
    surface, query = np.zeros((2, count if scenario.asks else 0), np.int64)
    asked = None
    if scenario.asks:
        asking = Asking(surfaces, language, people.interests.shape[1], keys)
        asking.draw(0, surface, query)
        asked = asking.asked(surface, query)
    squashing = scenario.auction.squashing
    if stages is None or ads is None or scenario.funnel is None:
        model = rates(scenario.rates, people, ads, len(table.appeal), count, keys)
        block = np.empty((len(table.appeal), count), np.float32)
        model.fill(0, users, asked, block)
        click, who = np.maximum.reduceat(block, table.first_ad[:-1], axis=0), np.empty((0, 0), np.int64)
        per_click = believed[ticks].T
    else:
        matches = None if language is None else language.matches
        winnow = Winnow(scenario.funnel.in_full(), stages, ads, people, table.ad_campaign, keys, matches)
        winnow.refresh((table.prior * table.target * MICRO * believed.mean(axis=0)).astype(np.float32))
        shape = int(winnow.first_row[-1]), count
        click, who = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
        winnow.fill(0, 0, users, asked, click, np.zeros(shape, np.int64), who)
        per_click = believed[ticks, who]
    weight = np.empty((0, 0), np.float32)
    if squashing != 1:
        weight = np.power(click, np.float32(squashing - 1), out=np.zeros_like(click), where=click > 0)
    return Sample(np.ascontiguousarray(click * per_click, np.float32), who, weight, surface)


def _requests(
    scenario: Scenario, people: Users, keys: NDArray[np.uint64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and ticks of so many requests that come evenly over a day."""
    tick_us, ticks = scenario.tick_us, scenario.ticks_per_day
    rate = np.append(count * forecast(scenario) / tick_us, 0.0)
    time = np.arange(ticks + 1, dtype=np.int64) * tick_us
    total = np.concatenate([[0.0], np.cumsum(rate[:-1] * tick_us)])
    even = Intensity(time, total, rate)
    epochs, times, users = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)
    who = (people.segment_share, people.segment_start, people.alias_share, people.alias_user)
    arrive(keys, 0, True, 0.0, 0, tick_us, *even, *who, np.empty((3, count)), epochs, times, users)
    return users, times // tick_us % ticks


@kernel()
def expected_day(
    rate: Any, who: Any, weight: Any, surface: Any, surfaces: Any, none: Any, no_row: Any, live: Any, endless: Any,
    reserve: Any, pricing: Any, seen: Any, top: Any, totals: Any,
) -> None:  # fmt: skip
    """Adds to totals (3, campaigns) the expected impressions, cost (millionths) and conversions of a block of requests."""
    floor = np.float64(reserve)
    for start in range(0, rate.shape[1], LANES):
        if who.size > 0:
            for lane in range(LANES):
                select_among(start + lane, 0, rate.shape[0], rate, who, weight, live, endless, endless, reserve, top, lane)
        else:
            select(start, LANES, rate, weight, none, no_row, live, endless, endless, reserve, seen, top)
        for lane in range(LANES):
            place = surface[start + lane] if surface.size > 0 else 0
            depth, exposure = surfaces.slots[place], surfaces.marginal[place]
            for slot in range(depth):
                winner = top[slot, lane]
                if winner == 0:
                    break
                row = campaign_of(winner)
                k = who[row, start + lane] if who.size > 0 else row
                w = np.float64(weight[row, start + lane]) if weight.size > 0 else 1.0
                price = price_rank(pricing, top, lane, slot, depth, exposure, floor * w) / w
                price = min(max(price, floor), rank_of(winner) / w)
                totals[0, k] += exposure[slot]
                totals[1, k] += exposure[slot] * price
                totals[2, k] += exposure[slot] * rate[row, start + lane]


@kernel()
def least_winning_costs(
    rate: Any, weight: Any, surface: Any, surfaces: Any, none: Any, no_row: Any, live: Any, endless: Any, reserve: Any,
    seen: Any, top: Any, cost: Any,
) -> None:  # fmt: skip
    """Writes into cost (campaigns, requests) the bid, in millionths, that would win each campaign the last slot."""
    for start in range(0, rate.shape[1], LANES):
        select(start, LANES, rate, weight, none, no_row, live, endless, endless, reserve, seen, top)
        for lane in range(LANES):
            # Who wins need only beat the best of those who do not; who does not, the last winner.
            last = surfaces.slots[surface[start + lane] if surface.size > 0 else 0] - 1
            outsider, insider = rank_of(top[last, lane]), rank_of(top[last + 1, lane])
            for k in range(rate.shape[0]):
                cost[k, start + lane] = np.float32(outsider)
            for slot in range(last + 1):
                if top[slot, lane] != 0:
                    cost[campaign_of(top[slot, lane]), start + lane] = np.float32(insider)
            for k in range(rate.shape[0]):
                w = weight[k, start + lane] if weight.size > 0 else np.float32(1)
                cost[k, start + lane] = max(cost[k, start + lane] / w, reserve)
