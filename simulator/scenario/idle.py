"""What a scenario says and can have no effect, in sentences: it is no error, but hardly what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from .demand import Campaign, ListedDemand
from .tree import Scenario

SIGMAS = ("day_sigma", "common_sigma", "tick_sigma", "drift_sigma")


def without_effect(scenario: Scenario) -> list[str]:
    """A sentence for each setting that nothing will come of."""
    return [*_late(scenario), *_calm(scenario), *_unwanted(scenario)]


def _late(scenario: Scenario) -> Iterator[str]:
    """What begins after the end."""
    end = f"the market ends after {scenario.days} day{'s' * (scenario.days > 1)}"
    for campaign in _listed(scenario):
        for n, flight in enumerate(campaign.flights):
            if flight.first_day >= scenario.days:
                begins = f"begins on day {flight.first_day} (the first is day 0)"
                yield f"flight {n} of campaign {campaign.name!r} {begins}, and {end}"
    for n, outage in enumerate(scenario.serving.outages if scenario.serving is not None else ()):
        if outage.start_s * 1e6 >= scenario.horizon_us:
            yield f"serving.outages.{n} begins at {outage.start_s:,.0f} s, and {end}, at {scenario.horizon_us / 1e6:,.0f} s"


def _calm(scenario: Scenario) -> Iterator[str]:
    """Weather that nobody feels."""
    demand, set_ = scenario.demand, [name for name in SIGMAS if getattr(scenario.weather, name) > 0]
    felt = demand.follows_demand > 0 if demand.kind == "drawn" else any(c.follows_demand for c in _listed(scenario))
    if set_ and not felt:
        yield f"weather.{set_[0]} moves the values of campaigns that follow demand, and none does (follows_demand)"


def _unwanted(scenario: Scenario) -> Iterator[str]:
    """Targets of campaigns that want something else."""
    for campaign in _listed(scenario):
        for target in ("target_cpa", "target_roas"):
            if getattr(campaign, target) is not None and campaign.objective != target:
                yield f"campaign {campaign.name!r} has a {target}, and its objective is {campaign.objective}"


def _listed(scenario: Scenario) -> list[Campaign]:
    demand = scenario.demand
    return [c for a in demand.advertisers for c in a.campaigns] if isinstance(demand, ListedDemand) else []
