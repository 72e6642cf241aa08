"""Who is there: users, campaigns and ads of a scenario, built once and shared by all worlds of that scenario."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats
from ..core.chance import Stream, generator
from ..core.notice import stage
from ..core.threads import one_blas_thread
from ..delivery.stages import StageView, stage_view
from ..population.ads import AdVectors, ad_vectors
from ..population.campaigns import Campaigns, campaign_table
from ..population.content import AdContent, ad_content
from ..population.creatives import Portfolio, new_portfolio
from ..population.rates import NO_TABLE, click_table
from ..population.temper import Temper, new_temper
from ..population.users import People, new_users
from ..requests.language import Language, new_language
from ..requests.surfaces import lifted
from ..scenario.response import Interests
from ..scenario.tree import Scenario
from .expectation import Expectation, expectation


class Market(NamedTuple):
    """The part of a market that is the same on every day; nothing in it is ever written to."""

    campaigns: Campaigns
    users: People
    ads: AdVectors | None  # None where rates are drawn
    expected: Expectation  # of a day without weather, at the prior multipliers
    language: Language | None  # of search traffic
    stages: tuple[StageView, StageView] | None  # recall and rough sort; None without a funnel
    conversion: NDArray[np.float64]  # (ticks, campaigns) conversions per click by tick of the day, at the largest lift
    believed_conversion: NDArray[np.float64]  # (ticks, campaigns) what the platform takes them for
    creatives: Portfolio | None  # None: an ad is its one creative
    clicks: Floats  # (users, ads) true click rates, or (0, 0); see `rates.click_table`
    temper: Temper | None  # None: all users bear ads alike
    content: AdContent | None  # what is told of what ads look like; None: nothing


@lru_cache(maxsize=16)
def build(scenario: Scenario) -> Market:
    """The market of a scenario: drawn campaigns receive their budgets and prior multipliers here."""
    ads = "" if scenario.funnel is None else ", the expected day of all ads among it"
    with one_blas_thread(), stage(f"setting up {scenario.name}{ads}"):
        market = _build(scenario)
    _freeze(market)
    return market


def of_run(scenario: Scenario, market: Market, seed: int) -> Market:
    """The market as a world of that seed has it: itself, unless it is drawn by run how popular new ads are."""
    rates, ads = scenario.rates, market.ads
    if not isinstance(rates, Interests) or not rates.new_by_run or ads is None:
        return market
    bias, vectors = ads.bias.copy(), ads.vectors.astype(np.float64)
    interests = market.users.interests.mean(axis=0, dtype=np.float64)
    base = math.log(rates.click_rate / (1 - rates.click_rate)) - vectors @ interests
    popularity = rates.ad_sigma * generator(seed, Stream.NEWCOMERS).standard_normal(len(bias))
    bias[ads.new] = (base + popularity)[ads.new]
    ads = ads._replace(bias=bias)
    _freeze(ads)
    clicks = click_table(market.users, ads) if market.clicks.size else NO_TABLE
    _freeze(clicks)
    content = ad_content(scenario, market.campaigns, market.users, ads, seed)
    _freeze(content)
    return market._replace(ads=ads, clicks=clicks, content=content)


def _freeze(part: Any) -> None:
    """Makes every array of a tuple read-only: all worlds of a scenario share them, and who wrote to one changed the others."""
    if isinstance(part, np.ndarray):
        part.flags.writeable = False
    elif isinstance(part, tuple):
        for item in part:
            _freeze(item)


def _build(scenario: Scenario) -> Market:
    table = campaign_table(scenario)
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    ads = ad_vectors(scenario, scenario.rates, table, people) if isinstance(scenario.rates, Interests) else None
    language = stages = None
    if scenario.search is not None and ads is not None and isinstance(scenario.rates, Interests):
        language = new_language(scenario.search, scenario.rates, table, ads, scenario.market_seed)
    if scenario.funnel is not None and ads is not None:
        recall = stage_view(scenario.market_seed, 0, scenario.funnel.recall, ads, people)
        stages = recall, stage_view(scenario.market_seed, 1, scenario.funnel.rough, ads, people)
    _freeze((table, people, ads, language, stages))  # already now: a kernel is compiled anew for arrays it must not write to
    table, expected = expectation(scenario, table, people, ads, language, stages)
    true, believed = lifted(scenario, language, table)
    creatives = None if scenario.creatives is None else new_portfolio(scenario, scenario.creatives, table, people)
    # Where a click depends on more than user and ad, nobody would look it up.
    plain = creatives is None and not scenario.asks
    clicks = click_table(people, ads) if ads is not None and plain else NO_TABLE
    patience = None if scenario.sessions is None else scenario.sessions.patience
    temper = new_temper(patience, scenario.users.count, scenario.market_seed)
    content = None if ads is None else ad_content(scenario, table, people, ads, scenario.market_seed)
    return Market(table, people, ads, expected, language, stages, true, believed, creatives, clicks, temper, content)
