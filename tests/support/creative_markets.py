"""Markets with creatives, for tests of who has them and of how they are shown."""

from __future__ import annotations

from typing import Any

from adarena.simulator import Scenario
from adarena.simulator.market import market
from adarena.simulator.population.campaigns import Campaigns, campaign_table
from adarena.simulator.population.creatives import Portfolio, new_portfolio
from adarena.simulator.population.users import People, new_users
from adarena.simulator.scenario.demand import Ad

DAY_US = 86_400_000_000


def made(scenario: Scenario) -> Portfolio:
    """The creatives of a scenario's market."""
    held = market.build(scenario).creatives
    assert held is not None
    return held


def tiny(creatives: dict[str, Any], **changes: Any) -> Scenario:
    """A small market with creatives."""
    return Scenario.preset("tiny").override({"creatives": creatives, **changes})


def large(creatives: dict[str, Any]) -> tuple[Scenario, Campaigns, People, Portfolio]:
    """A market of 12,000 ads, and who is there; nothing is played in it."""
    scenario = tiny(creatives, **{"demand.campaigns": 3_000, "demand.ads_per_campaign": 4, "demand.verticals": 5})
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    table = campaign_table(scenario)
    assert scenario.creatives is not None
    return scenario, table, people, new_portfolio(scenario, scenario.creatives, table, people)


def listed(*ads: Ad, **changes: Any) -> Scenario:
    """A market of three campaigns without budgets that bid the same day in, day out; the first has these ads."""
    scenario = Scenario.preset("uniform", bidders=3, requests=20_000).override(
        {"rates": {"kind": "interests", "click_rate": 0.2}, "users": {"count": 50, "segments": 3, "dimensions": 4},
         "ticks_per_day": 4, "creatives": {}}
    )  # fmt: skip
    tree = scenario.override(changes).model_dump(mode="json")
    if ads:
        tree["demand"]["advertisers"][0]["campaigns"][0].update(
            value_per_conversion=3.0, ads=[ad.model_dump(mode="json") for ad in ads]
        )
    return Scenario.from_tree(tree)
