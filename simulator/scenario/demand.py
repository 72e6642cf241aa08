"""Who advertises, with what, for how much; parts of a scenario."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .creatives import Creative
from .part import Count, LogOdds, Money, NonNegative, Part, Positive, Range, Share
from .response import DrawnLeads, Lead

MOST_CAMPAIGNS = 60_000  # a rank carries its campaign in 16 bits
Objective = Literal["max_value", "target_cpa", "target_roas", "utility"]
Billing = Literal["cpm", "cpc", "cpa"]
Cap = Annotated[int, Field(ge=1, le=10_000, description="most impressions that a user is shown in a day of the market")]


class Flight(Part):
    """Days on which a campaign runs: from `first_day` up to, not including, `end_day`; day 0 is the first."""

    first_day: Annotated[int, Field(ge=0)] = Field(0, description="from its midnight on")
    end_day: Count = Field(description="at whose midnight it ends")

    @model_validator(mode="after")
    def _check(self) -> Flight:
        if self.end_day <= self.first_day:
            raise ValueError(f"end_day must be after first_day, not {self.end_day} after {self.first_day}")
        return self


class Ad(Part):
    """One ad of a campaign; of several, the one with the best believed rate stands for it, but for `even_rotation`."""

    name: str = Field(description="as it stands in tables")
    appeal: LogOdds = Field(0.0, description="log-odds of a click over the campaign's own")
    creatives: Annotated[tuple[Creative, ...], Field(min_length=1, max_length=64)] | None = Field(
        None, description="None: drawn, where the scenario has a part `creatives`; else the ad is its one creative"
    )

    @model_validator(mode="after")
    def _check(self) -> Ad:
        twice = [name for name, count in Counter(c.name for c in self.creatives or ()).items() if count > 1]
        if twice:
            raise ValueError(f"names of an ad's creatives must differ, and {min(twice)!r} stands twice")
        return self


class Campaign(Part):
    """One campaign: what it wants, what it can spend, and when it runs."""

    name: str = Field(description="differs from those of all other campaigns")
    objective: Objective = Field(
        "max_value",
        description="what it wants within its budget; 'utility': value less spend; 'target_cpa' with billing cpm is oCPM",
    )
    value_per_conversion: Money = Field(1.0, description="currency, to the advertiser")
    target_cpa: Money | None = Field(None, description="most it wants to pay a conversion on average")
    target_roas: Positive | None = Field(None, description="least value it wants for a unit of spend")
    budget_per_day: Money | None = Field(None, description="None: unlimited")
    billing: Billing = Field("cpm", description="what is charged for: impressions, clicks or conversions")
    frequency_cap: Cap | None = Field(None, description="most impressions of it for a user and day; None: any number")
    conversion_rate: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="conversions per click")
    lead: Lead | None = Field(None, description="what comes before and after a conversion that is a lead; None: it is none")
    prior_multiplier: Positive = Field(1.0, description="the multiplier it used on an earlier day")
    follows_demand: bool = Field(False, description="its value moves with its vertical's demand")
    flights: tuple[Flight, ...] = Field((), description="none: it always runs")
    ads: tuple[Ad, ...] = Field((Ad(name="ad"),), description="of which one at a time stands for it in an auction")
    even_rotation: Share | None = Field(
        None,
        description="share of requests for which any ad of a campaign stands for it, each as likely; for the others the one "
        "with the best believed rate does. 1: even rotation; None: 0",
    )

    @property
    def target(self) -> float:
        """What it bids for a conversion at multiplier 1, in currency."""
        if self.objective == "target_cpa":
            assert self.target_cpa is not None
            return self.target_cpa
        if self.objective == "target_roas":
            assert self.target_roas is not None
            return self.value_per_conversion / self.target_roas
        return self.value_per_conversion

    @model_validator(mode="after")
    def _check(self) -> Campaign:
        for objective in ("target_cpa", "target_roas"):
            if self.objective == objective and getattr(self, objective) is None:
                raise ValueError(f"a campaign with objective {objective} needs a {objective}")
        flights = sorted(self.flights, key=lambda f: f.first_day)
        for one, next_ in pairwise(flights):
            if next_.first_day < one.end_day:
                raise ValueError(f"flights must not overlap, and one starts on day {next_.first_day}, before day {one.end_day}")
        if not self.ads:
            raise ValueError("a campaign needs at least one ad")
        if twice := [name for name, count in Counter(ad.name for ad in self.ads).items() if count > 1]:
            raise ValueError(f"names of a campaign's ads must differ, and {min(twice)!r} stands twice")
        return self


class Advertiser(Part):
    """An advertiser in a vertical, with its campaigns."""

    name: str = Field(description="as it stands in tables")
    vertical: Annotated[int, Field(ge=0, le=9999)] = Field(
        0, description="its line of business: ads of one vertical suit the same users"
    )
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)] = Field(description="each bids for itself")


class ListedDemand(Part):
    """Advertisers written out one by one."""

    kind: Literal["listed"] = Field("listed", description="advertisers are written out")
    vertical_spread: NonNegative = Field(0.6, description="standard deviation of ad vectors around a vertical's centre")
    advertisers: Annotated[tuple[Advertiser, ...], Field(min_length=1)] = Field(description="one at least")

    @model_validator(mode="after")
    def _check(self) -> ListedDemand:
        names = [c.name for a in self.advertisers for c in a.campaigns]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"campaign names must differ, and {min(twice)!r} stands twice")
        if whose := [name for name, count in Counter(a.name for a in self.advertisers).items() if count > 1]:
            raise ValueError(f"names of advertisers must differ, and {min(whose)!r} stands twice")
        if len(names) > MOST_CAMPAIGNS:
            raise ValueError(f"there may be at most {MOST_CAMPAIGNS:,} campaigns, not {len(names):,}")
        return self


class DrawnDemand(Part):
    """Campaigns drawn from distributions: one advertiser each, dealt over the verticals in turn."""

    kind: Literal["drawn"] = Field("drawn", description="advertisers are drawn")
    campaigns: Annotated[int, Field(ge=1, le=MOST_CAMPAIGNS)] = Field(48, description="how many, each of its own advertiser")
    verticals: Count = Field(6, description="lines of business: ads of one vertical suit the same users")
    ads_per_campaign: Annotated[int, Field(ge=1, le=64)] = Field(1, description="of which one at a time stands for it")
    even_rotation: Share | None = Field(
        None,
        description="share of requests for which any ad of a campaign stands for it, each as likely; for the others the one "
        "with the best believed rate does. 1: even rotation; None: 0",
    )
    ad_spread: NonNegative = Field(0.3, description="log-odds standard deviation between ads of a campaign")
    vertical_spread: NonNegative = Field(0.6, description="standard deviation of ad vectors around a vertical's centre")
    objective: Objective = Field("max_value", description="of all campaigns; 'utility': value less spend")
    billing: Billing = Field("cpm", description="what is charged for: impressions, clicks or conversions")
    frequency_cap: Cap | None = Field(None, description="most impressions of a campaign for a user and day; None: any number")
    value_per_conversion: Range = Field((60.0, 130.0), description="currency, evenly from low to high")
    target_roas: Positive = Field(1.0, description="least value for a unit of spend, for the objective target_roas")
    target_cpa_share: Positive | None = Field(
        None, description="target CPA as a multiple of what a conversion costs on an expected day; None: a conversion's value"
    )
    conversion_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.02, description="conversions per click, median of campaigns")
    conversion_sigma: NonNegative = Field(0.25, description="log standard deviation of conversion rates between campaigns")
    lead: DrawnLeads | None = Field(None, description="None: no conversion is a lead")
    budget_share: Positive | None = Field(
        0.45, description="median budget as a share of what the day would cost at multiplier 1; None: unlimited"
    )
    budget_sigma: NonNegative = Field(0.5, description="log standard deviation of that share")
    follows_demand: Share = Field(0.75, description="share of campaigns whose value moves with their vertical's demand")

    @model_validator(mode="after")
    def _check(self) -> DrawnDemand:
        if self.target_cpa_share is not None and self.objective != "target_cpa":
            raise ValueError(f"a target_cpa_share is for the objective target_cpa, not for {self.objective}")
        return self


Demand = Annotated[ListedDemand | DrawnDemand, Field(discriminator="kind")]


Logs = Annotated[tuple[LogOdds, ...], Field(min_length=1, max_length=256)]


class TierWorth(Part):
    """By what factor the clicks of a traffic tier convert: a level, a course over the day that is known, and weather.

    The course is a cosine in the log around `peak`; the weather an AR(1) in the log, of mean factor 1, anew each day, which
    stays within three standard deviations. Ads are ranked by what a request is worth, but no forecast tells the weather.
    """

    level: Logs = Field(description="log of the factor, a number for each tier from 0 up")
    amplitude: NonNegative = Field(0.0, description="of the log over the day")
    peak: Annotated[tuple[Share, ...], Field(max_length=256)] = Field(
        (), description="when each tier is worth most, as a share of the day; none: all at noon"
    )
    tick_sigma: NonNegative = Field(0.0, description="innovation of the AR(1) over ticks")
    tick_correlation: Annotated[float, Field(ge=0, lt=1)] = Field(0.95, description="of that AR(1), from tick to tick")

    @model_validator(mode="after")
    def _check(self) -> TierWorth:
        if len(self.peak) not in (0, len(self.level)):
            raise ValueError(f"peak must name a time for each of the {len(self.level)} tiers of level, not {len(self.peak)}")
        return self


class Weather(Part):
    """Random changes of the value of a conversion, per vertical, for the campaigns that follow demand; and of requests."""

    day_sigma: NonNegative = Field(0.0, description="log standard deviation of a vertical's level, day by day")
    common_sigma: NonNegative = Field(0.0, description="the same for all verticals together")
    tick_sigma: NonNegative = Field(0.0, description="innovation of the AR(1) over ticks")
    tick_correlation: Share = Field(0.9, description="of that AR(1), from tick to tick")
    drift_sigma: NonNegative = Field(0.0, description="log drift from morning to night")
    tiers: TierWorth | None = Field(None, description="what requests of each traffic tier are worth; None: all the same")
    request_sigma: Annotated[float, Field(gt=0, le=2)] | None = Field(
        None, description="log standard deviation of what a request is worth, as the platform knows when it comes; None: 0"
    )
