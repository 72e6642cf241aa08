"""What is known of a scenario's creatives before any is shown."""

from __future__ import annotations

from functools import lru_cache, partial

from ...market.market import build
from ...population.creatives import ads_of, most_creatives
from ...scenario.creatives import FORMATS
from ...scenario.response import Interests
from ...scenario.tree import Scenario
from .history import format_history
from .view import Facts


@lru_cache(maxsize=32)
def facts(scenario: Scenario) -> Facts:
    """See `Facts`."""
    market, ads = build(scenario), len(ads_of(build(scenario).campaigns))
    assert isinstance(scenario.rates, Interests)
    return Facts(
        days=scenario.days,
        ticks=scenario.ticks_per_day,
        ads=ads,
        creatives=most_creatives(scenario, market.campaigns),
        segments=scenario.users.segments,
        formats=len(FORMATS),
        click_rate=scenario.rates.click_rate,
        conversion_rate=float(market.campaigns.conversion_rate.mean()),
        impressions=float(market.expected.impressions.sum()) * scenario.days / ads,
        fatigue=0.0 if scenario.fatigue is None else scenario.fatigue.exponent,
        history=partial(format_history, scenario),
    )
