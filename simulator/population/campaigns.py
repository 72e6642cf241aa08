"""Who advertises: the campaigns of a market as a table of arrays, and the weather of their bids.

Campaigns are listed in the scenario or drawn from its distributions. Budgets of drawn campaigns are shares of what a
day at multiplier 1 would cost them, which `calibration` estimates.
"""

from __future__ import annotations

from enum import IntEnum
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.chance import Stream, autoregression, generator
from ..core.errors import ScenarioError
from ..core.money import UNLIMITED, micros
from ..scenario.demand import Ad, Advertiser, Campaign, DrawnDemand
from ..scenario.response import Lead, Response, reported_within
from ..scenario.tree import Scenario


class Billing(IntEnum):
    """What a campaign pays for; a scenario writes the names in small letters."""

    CPM = 0  # impressions
    CPC = 1  # clicks
    CPA = 2  # conversions, when they are reported


SHOWN = 5  # names of campaigns in what a table says of itself


class Campaigns(NamedTuple):
    """The campaigns of a market in one order; arrays have shape (campaigns,), those of ads (ads,)."""

    listed: tuple[Campaign, ...]
    names: tuple[str, ...]
    advertiser: tuple[str, ...]  # name of whose it is
    vertical: NDArray[np.int64]
    target: NDArray[np.float64]  # bid for a conversion at multiplier 1, currency
    value: NDArray[np.float64]  # of a conversion, currency
    budget: NDArray[np.int64]  # per day, millionths; UNLIMITED
    billing: NDArray[np.int64]  # codes of `Billing`
    conversion_rate: NDArray[np.float64]  # per click
    prior: NDArray[np.float64]  # multiplier of an earlier day
    follows_demand: NDArray[np.bool_]
    conversion_peak: NDArray[np.float64]  # share of the day at which conversion rates peak
    even_rotation: NDArray[np.float64]  # share of requests for which any of its ads stands for it
    first_ad: NDArray[np.int64]  # (campaigns + 1,)
    appeal: NDArray[np.float64]  # (ads,) log-odds

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:SHOWN]) + (", ..." if len(self.names) > SHOWN else "")
        return f"<{len(self.names):,} campaigns with {len(self.appeal):,} ads: {shown}>"

    @property
    def ad_campaign(self) -> NDArray[np.int64]:
        """The campaign of each ad."""
        return np.repeat(np.arange(len(self.names)), np.diff(self.first_ad))

    @property
    def settled_at_once(self) -> NDArray[np.bool_]:
        """Which campaigns know what they owe for a day when it ends, (campaigns,): conversions are reported later."""
        at_once: NDArray[np.bool_] = self.billing != Billing.CPA
        return at_once

    def place(self, which: int | str) -> int | None:
        """The place of a campaign given by its name or its place; None if there is none."""
        if type(which) is int:  # as nearly all are
            return which if 0 <= which < len(self.names) else None
        if isinstance(which, str):
            return self.names.index(which) if which in self.names else None
        known = isinstance(which, Integral) and not isinstance(which, bool) and 0 <= which < len(self.names)
        return int(which) if known else None

    def active(self, day: int) -> NDArray[np.bool_]:
        """Which campaigns have a flight on this day."""
        return np.array([not c.flights or any(f.first_day <= day < f.end_day for f in c.flights) for c in self.listed])

    def with_budgets(self, budget: NDArray[np.float64], prior: NDArray[np.float64]) -> Campaigns:
        """The same campaigns with daily budgets in currency and prior multipliers filled in."""
        listed = tuple(
            c.model_copy(update={"budget_per_day": float(b), "prior_multiplier": float(m)})
            for c, b, m in zip(self.listed, budget, prior, strict=True)
        )
        return self._replace(listed=listed, budget=micros(budget), prior=prior)

    def with_targets(self, target_cpa: NDArray[np.float64]) -> Campaigns:
        """The same campaigns with other target CPAs, in currency, and priors such that what they bid stays the same."""
        prior = self.prior * self.target / target_cpa
        listed = tuple(
            c.model_copy(update={"target_cpa": float(t), "prior_multiplier": float(m)})
            for c, t, m in zip(self.listed, target_cpa, prior, strict=True)
        )
        return self._replace(listed=listed, target=target_cpa, prior=prior)


def campaign_table(scenario: Scenario) -> Campaigns:
    """The campaigns of a scenario; drawn ones come without budgets and with prior multiplier 1."""
    demand = scenario.demand
    dice = generator(scenario.market_seed, Stream.CAMPAIGNS)
    advertisers = _drawn(demand, dice, _drawn_leads(scenario)) if demand.kind == "drawn" else demand.advertisers
    pairs = [(a, c) for a in advertisers for c in a.campaigns]
    listed = tuple(c for _, c in pairs)
    budget = [UNLIMITED if c.budget_per_day is None else micros(c.budget_per_day) for c in listed]
    return Campaigns(
        listed=listed,
        names=tuple(c.name for c in listed),
        advertiser=tuple(a.name for a, _ in pairs),
        vertical=np.array([a.vertical for a, _ in pairs]),
        target=np.array([c.target for c in listed]),
        value=np.array([c.value_per_conversion for c in listed]),
        budget=np.array(budget, np.int64),
        billing=np.array([Billing[c.billing.upper()] for c in listed]),
        conversion_rate=np.array([c.conversion_rate for c in listed]),
        prior=np.array([c.prior_multiplier for c in listed]),
        follows_demand=np.array([c.follows_demand for c in listed]),
        conversion_peak=dice.random(len(listed)),
        even_rotation=np.array([c.even_rotation or 0.0 for c in listed]),
        first_ad=np.concatenate([[0], np.cumsum([len(c.ads) for c in listed])]).astype(np.int64),
        appeal=np.array([ad.appeal for c in listed for ad in c.ads]),
    )


def _drawn_leads(scenario: Scenario) -> list[Lead | None]:
    """The chain of each vertical: odds of its rates are lognormal around those of the settings; None where there is none."""
    demand = scenario.demand
    if demand.kind != "drawn":
        return []
    if demand.lead is None:
        return [None] * demand.verticals
    names = ("form_open_rate", "qualified_rate", "sale_rate")
    mean = np.array([getattr(demand.lead, name) for name in names])
    dice = generator(scenario.market_seed, Stream.CAMPAIGNS, 6)
    factors = np.exp(demand.lead.vertical_sigma * dice.standard_normal((demand.verticals, len(names))))
    rates = factors * mean / (1 - mean + factors * mean)
    delays = demand.lead.model_dump(exclude={"vertical_sigma", *names})
    return [Lead(**dict(zip(names, row, strict=True)), **delays) for row in rates.tolist()]


def _drawn(demand: DrawnDemand, dice: np.random.Generator, leads: list[Lead | None]) -> list[Advertiser]:
    count = demand.campaigns
    values = dice.uniform(*demand.value_per_conversion, count)
    rates = demand.conversion_rate * np.exp(demand.conversion_sigma * dice.standard_normal(count))
    appeals = demand.ad_spread * dice.standard_normal((count, demand.ads_per_campaign))
    # The first campaigns of each vertical keep a steady value, the rest follow its demand.
    steady = round((1 - demand.follows_demand) * count)
    width = len(str(count - 1))
    out = []
    for k in range(count):
        ads = tuple(Ad(name=f"ad-{j}", appeal=float(a) if len(appeals[k]) > 1 else 0.0) for j, a in enumerate(appeals[k]))
        campaign = Campaign(
            name=f"c{k:0{width}d}",
            objective=demand.objective,
            value_per_conversion=float(values[k]),
            target_cpa=float(values[k]) if demand.objective == "target_cpa" else None,
            target_roas=demand.target_roas if demand.objective == "target_roas" else None,
            billing=demand.billing,
            frequency_cap=demand.frequency_cap,
            even_rotation=demand.even_rotation,
            conversion_rate=float(min(rates[k], 1.0)),
            lead=leads[k % demand.verticals],
            follows_demand=k >= steady,
            ads=ads,
        )
        out.append(Advertiser(name=f"a{k:0{width}d}", vertical=k % demand.verticals, campaigns=(campaign,)))
    return out


def demand_weather(scenario: Scenario, table: Campaigns, seed: int, day: int) -> NDArray[np.float64]:
    """Factors on the value of a conversion, shape (ticks, campaigns), of mean 1; all 1 where demand is not followed."""
    settings, ticks = scenario.weather, scenario.ticks_per_day
    verticals = int(table.vertical.max()) + 1
    dice = generator(seed, Stream.DEMAND, day)
    level = settings.day_sigma * dice.standard_normal(verticals) + settings.common_sigma * dice.standard_normal()
    level -= (settings.day_sigma**2 + settings.common_sigma**2) / 2
    ramp = np.linspace(-0.5, 0.5, ticks)[:, None]
    drift = settings.drift_sigma * dice.standard_normal(verticals) * ramp - (settings.drift_sigma * ramp) ** 2 / 2
    walk = autoregression(settings.tick_correlation, settings.tick_sigma * dice.standard_normal((ticks, verticals)))
    walk -= autoregression(settings.tick_correlation**2, np.full((ticks, 1), settings.tick_sigma**2)) / 2
    factors: NDArray[np.float64] = np.exp(level + drift + walk)[:, table.vertical]
    return np.where(table.follows_demand, factors, 1.0)


def conversion_rates(scenario: Scenario, table: Campaigns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Conversions per click of each campaign by tick of the day, (ticks, campaigns), at most 1: true, and as believed.

    The course over the day is known to everybody; the level is believed with an error of mean 1 that lasts. Believed are those
    conversions alone that are attributed to the ad, since no others are reported.

    Raises:
        ScenarioError: if a lead campaign's forms would be submitted more often than they are opened.
    """
    phase = (np.arange(scenario.ticks_per_day) + 0.5) / scenario.ticks_per_day
    wave = np.cos(2 * np.pi * (phase[:, None] - table.conversion_peak))
    true = table.conversion_rate * np.exp(scenario.response.hour_amplitude * wave)
    for k, campaign in enumerate(table.listed):
        if campaign.lead is not None and (most := float(true[:, k].max())) > campaign.lead.form_open_rate:
            raise ScenarioError(
                f"campaign {campaign.name!r} opens {campaign.lead.form_open_rate:.4g} forms a click (lead.form_open_rate), and "
                f"cannot have {most:.4g} submits a click, as its conversion rate comes to at its best hour"
            )
    sigma = scenario.response.belief_sigma
    error = sigma * generator(scenario.market_seed, Stream.CAMPAIGNS, 3).standard_normal(len(table.names)) - sigma**2 / 2
    return np.minimum(true, 1.0), np.minimum(true * np.exp(error) * attributed(scenario.response, table), 1.0)


def attributed(response: Response, table: Campaigns) -> NDArray[np.float64]:
    """Share of each campaign's conversions that come in time to be attributed to the ad, (campaigns,)."""
    days = response.attribution_days
    if days is None:
        return np.ones(len(table.names))
    delays = [response.delay if c.lead is None else c.lead.submit_delay for c in table.listed]
    return np.array([reported_within(delay, days, response.window_days) for delay in delays])
