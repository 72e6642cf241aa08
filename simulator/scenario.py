"""What a market is: a frozen, validated tree of settings, with units in the names, loadable from YAML and hashable.

Money is in currency units (the ledger counts millionths), time in seconds unless a name says otherwise. Same scenario,
seed and policies: same bytes.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from .creatives import Creative, Creatives
from .delivery import Auction, Funnel, Serving, Surface
from .disk import write
from .errors import ScenarioError, suggest
from .habits import Fatigue, Sessions
from .numeric import whole
from .outcomes import Delay, DelayPart, Lead, Leads, Organic
from .querying import Search
from .settings import Count, LogOdds, Money, NonNegative, Part, Positive, Range, Share, sentence
from .yaml_text import read_settings, read_yaml, write_yaml

LONGEST_US = 2**62  # times are 64-bit microseconds
MOST_CAMPAIGNS = 60_000  # a rank carries its campaign in 16 bits


class Traffic(Part):
    """Arrivals of ad requests: a non-homogeneous Poisson process under a day's weather."""

    requests_per_day: Annotated[int, Field(ge=1, le=10**10)] = 50_000
    curve: tuple[Annotated[float, Field(ge=0, le=1e9)], ...] = Field(
        (1.0,), description="relative traffic in equal pieces of a day, any number"
    )
    arrivals: Literal["poisson", "even"] = Field("poisson", description="'even': exactly requests_per_day, evenly")
    day_sigma: NonNegative = Field(0.0, description="log standard deviation of a day's level")
    tick_sigma: NonNegative = Field(0.0, description="innovation of the AR(1) in log traffic over ticks")
    tick_correlation: Share = 0.7
    surge_probability: Share = Field(0.0, description="share of days with a surge")
    surge_factor: Range = (2.0, 4.0)
    surge_hours: Range = (1.0, 3.5)

    @model_validator(mode="after")
    def _check(self) -> Traffic:
        if not self.curve or sum(self.curve) <= 0:
            raise ValueError("curve must have at least one positive piece")
        for name in ("surge_factor", "surge_hours"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be a range from low to high, not {low} to {high}")
        return self


class Users(Part):
    """Persistent users: latent interests around the centre of a segment, heavy-tailed activity."""

    count: Count = 20_000
    segments: Annotated[int, Field(ge=1, le=256)] = 6
    dimensions: Annotated[int, Field(ge=1, le=256)] = 16
    spread: NonNegative = Field(0.7, description="standard deviation of interests around a segment's centre of length 1")
    activity_tail: Annotated[float, Field(ge=0.2, le=100)] = Field(
        3.0, description="Pareto shape of a user's share of the requests; at 1.2 one of 20,000 makes a twentieth of them"
    )
    hour_amplitude: NonNegative = Field(0.0, description="log amplitude of a segment's share of traffic over the day")
    tiers: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (), description="traffic tier of each segment: 0 is served first, and a funnel's quotas may differ; none: all in tier 0"
    )

    @model_validator(mode="after")
    def _check(self) -> Users:
        if len(self.tiers) not in (0, self.segments):
            raise ValueError(f"tiers must name a tier for each of the {self.segments} segments, not {len(self.tiers)}")
        return self


class Interests(Part):
    """Rates from latent interests: click = sigmoid(bias_ad + user . ad); the platform believes a noisy copy of it."""

    kind: Literal["interests"] = "interests"
    click_rate: Annotated[float, Field(gt=0, lt=1)] = Field(0.025, description="click rate of an average ad and user")
    ad_sigma: NonNegative = Field(0.25, description="log-odds standard deviation between ads")
    affinity: NonNegative = Field(0.9, description="log-odds standard deviation between users, for one ad")
    belief_noise: NonNegative = Field(0.0, description="noise of the believed ad vectors, as a share of their length")
    belief_bias: LogOdds = Field(0.0, description="log-odds added to every belief (miscalibration)")
    belief_slope: Positive | None = Field(
        None, description="how far believed log-odds lie from those of click_rate, over how far the true ones do; None: 1"
    )
    belief_sigma: NonNegative | None = Field(
        None, description="log-odds standard deviation of what is wrongly believed of an ad, whoever sees it; None: 0"
    )


class Uniform(Part):
    """True rates drawn uniformly for every request and campaign: the market of auction theory."""

    kind: Literal["uniform"] = "uniform"
    low: Share = 0.0
    high: Share = 1.0
    belief_noise: NonNegative = Field(0.0, description="standard deviation of the normal error of a belief")

    @model_validator(mode="after")
    def _check(self) -> Uniform:
        if self.low >= self.high:
            raise ValueError(f"low must lie below high, not {self.low} and {self.high}")
        return self


class Normal(Part):
    """True rates drawn normally for every request and campaign; far enough from 0 and 1 to stay inside."""

    kind: Literal["normal"] = "normal"
    mean: Share = 0.5
    sigma: Positive = 0.04
    belief_noise: NonNegative = Field(0.0, description="standard deviation of the normal error of a belief")

    @model_validator(mode="after")
    def _check(self) -> Normal:
        reach = 8 * (self.sigma**2 + self.belief_noise**2) ** 0.5
        if self.mean - reach < 0 or self.mean + reach > 1:
            raise ValueError("mean must lie 8 standard deviations (of rate and belief together) away from 0 and from 1")
        return self


Rates = Annotated[Interests | Uniform | Normal, Field(discriminator="kind")]

Objective = Literal["max_value", "target_cpa", "target_roas", "utility"]
Billing = Literal["cpm", "cpc", "cpa"]
Cap = Annotated[int, Field(ge=1, le=10_000, description="most impressions that a user is shown in a day of the market")]


class Flight(Part):
    """Days on which a campaign runs: from `first_day` up to, not including, `end_day`; day 0 is the first."""

    first_day: Annotated[int, Field(ge=0)] = 0
    end_day: Count

    @model_validator(mode="after")
    def _check(self) -> Flight:
        if self.end_day <= self.first_day:
            raise ValueError(f"end_day must be after first_day, not {self.end_day} after {self.first_day}")
        return self


class Ad(Part):
    """One ad of a campaign; of several, the one with the best believed rate stands for the campaign."""

    name: str
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

    name: str
    objective: Objective = "max_value"
    value_per_conversion: Money = 1.0
    target_cpa: Money | None = Field(None, description="most it wants to pay a conversion on average")
    target_roas: Positive | None = Field(None, description="least value it wants for a unit of spend")
    budget_per_day: Money | None = Field(None, description="None: unlimited")
    billing: Billing = "cpm"
    frequency_cap: Cap | None = None
    conversion_rate: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="conversions per click")
    lead: Lead | None = Field(None, description="what comes before and after a conversion that is a lead; None: it is none")
    prior_multiplier: Positive = Field(1.0, description="the multiplier it used on an earlier day")
    follows_demand: bool = Field(False, description="its value moves with its vertical's demand")
    flights: tuple[Flight, ...] = Field((), description="none: it always runs")
    ads: tuple[Ad, ...] = (Ad(name="ad"),)

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
        return self


class Advertiser(Part):
    """An advertiser in a vertical, with its campaigns."""

    name: str
    vertical: Annotated[int, Field(ge=0, le=9999)] = 0
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)]


class ListedDemand(Part):
    """Advertisers written out one by one."""

    kind: Literal["listed"] = "listed"
    vertical_spread: NonNegative = Field(0.6, description="standard deviation of ad vectors around a vertical's centre")
    advertisers: Annotated[tuple[Advertiser, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> ListedDemand:
        names = [c.name for a in self.advertisers for c in a.campaigns]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"campaign names must differ, and {min(twice)!r} stands twice")
        if len(names) > MOST_CAMPAIGNS:
            raise ValueError(f"there may be at most {MOST_CAMPAIGNS:,} campaigns, not {len(names):,}")
        return self


class DrawnDemand(Part):
    """Campaigns drawn from distributions: one advertiser each, dealt over the verticals in turn."""

    kind: Literal["drawn"] = "drawn"
    campaigns: Annotated[int, Field(ge=1, le=MOST_CAMPAIGNS)] = 48
    verticals: Count = 6
    ads_per_campaign: Annotated[int, Field(ge=1, le=64)] = 1
    ad_spread: NonNegative = Field(0.3, description="log-odds standard deviation between ads of a campaign")
    vertical_spread: NonNegative = Field(0.6, description="standard deviation of ad vectors around a vertical's centre")
    objective: Objective = "max_value"
    billing: Billing = "cpm"
    frequency_cap: Cap | None = None
    value_per_conversion: Range = (60.0, 130.0)
    target_roas: Positive = 1.0
    target_cpa_share: Positive | None = Field(
        None, description="target CPA as a multiple of what a conversion costs on an expected day; None: a conversion's value"
    )
    conversion_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    conversion_sigma: NonNegative = Field(0.25, description="log standard deviation of conversion rates between campaigns")
    lead: Leads | None = Field(None, description="None: no conversion is a lead")
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


class Weather(Part):
    """Random changes of the value of a conversion, per vertical, for the campaigns that follow demand."""

    day_sigma: NonNegative = Field(0.0, description="log standard deviation of a vertical's level, day by day")
    common_sigma: NonNegative = Field(0.0, description="the same for all verticals together")
    tick_sigma: NonNegative = Field(0.0, description="innovation of the AR(1) over ticks")
    tick_correlation: Share = 0.9
    drift_sigma: NonNegative = Field(0.0, description="log drift from morning to night")


class Response(Part):
    """What a click leads to, and when it is reported."""

    delay: Delay = Field((DelayPart(scale_s=3600.0),), description="mixture of Weibulls, truncated at window_days")
    window_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    hour_amplitude: NonNegative = Field(0.0, description="log amplitude of conversion rates over the day, per campaign")
    belief_sigma: NonNegative = Field(0.0, description="log standard deviation of what is believed of a campaign's rate")
    attribution_days: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="conversions later than that after their click happen, but are neither reported nor billed; None: all are",
    )
    organic: Organic | None = Field(None, description="None: nobody converts without an ad")

    @model_validator(mode="after")
    def _check(self) -> Response:
        if self.attribution_days is not None and self.attribution_days >= self.window_days:
            within = f"window_days, {self.window_days:g}, by which every conversion has happened"
            raise ValueError(f"attribution_days must lie below {within}, not at {self.attribution_days:g}")
        return self


class Scenario(Part):
    """A whole market. `market_seed` draws who is there; the seed of a `World` draws the days they live through."""

    name: str = "custom"
    days: Count = 1
    day_s: Annotated[int, Field(ge=1)] = 86_400
    ticks_per_day: Annotated[int, Field(ge=1, le=86_400)] = 48
    market_seed: Annotated[int, Field(ge=0)] = 1
    traffic: Traffic = Traffic()
    users: Users = Users()
    rates: Rates = Interests()
    demand: Demand = DrawnDemand()
    weather: Weather = Weather()
    auction: Auction = Auction()
    response: Response = Response()
    serving: Serving | None = Field(None, description="None: a request is auctioned the moment it arrives")
    funnel: Funnel | None = Field(None, description="None: every campaign meets every request")
    sessions: Sessions | None = Field(None, description="None: requests come one by one, and nobody stays away")
    fatigue: Fatigue | None = Field(None, description="None: an ad is clicked as often the tenth time as the first")
    creatives: Creatives | None = Field(None, description="None: an ad is its one creative")

    search: Search | None = Field(None, description="None: nobody asks for anything")
    surfaces: Annotated[tuple[Surface, ...], Field(min_length=1, max_length=16)] | None = Field(
        None, description="None: one, as the auction says, where requests ask if there is search"
    )

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        self._check_surfaces()
        if self.day_s * 1_000_000 % self.ticks_per_day:
            raise ValueError(f"ticks_per_day must divide the day's {self.day_s} s into whole microseconds")
        if self.horizon_us >= LONGEST_US:
            raise ValueError(
                f"days of day_s seconds must come to less than 2^62 microseconds, not {self.days:,} of {self.day_s:,}"
            )
        if self.users.segments > self.users.count:
            raise ValueError("users.segments must not exceed users.count")
        if self.funnel is not None and self.rates.kind != "interests":
            raise ValueError(f"a funnel needs rates of kind interests, not {self.rates.kind}")
        known = set(self.users.tiers) or {0}
        unknown = {own.tier for own in self.funnel.tiers} - known if self.funnel is not None else set()
        if unknown:
            there = ", ".join(map(str, sorted(known)))
            raise ValueError(f"funnel.tiers has quotas for tier {min(unknown)}, but users.tiers has only {there}")
        if self.creatives is not None and self.rates.kind != "interests":
            raise ValueError(f"creatives need rates of kind interests, not {self.rates.kind}")
        if self.creatives is None and self.demand.kind == "listed":
            written = (c.name for a in self.demand.advertisers for c in a.campaigns if any(ad.creatives for ad in c.ads))
            if (name := next(written, None)) is not None:
                raise ValueError(f"campaign {name!r} lists creatives, which need a part creatives of the scenario")
        if self.response.organic is not None and self.response.organic.slope and self.rates.kind != "interests":
            raise ValueError(f"response.organic.slope needs rates of kind interests, not {self.rates.kind}")
        if self.rates.kind == "uniform" and self.rates.belief_noise and self.auction.squashing != 1:
            raise ValueError("auction.squashing other than 1 needs believed rates above zero, so no rates.belief_noise here")
        return self

    def _check_surfaces(self) -> None:
        surfaces = self.surfaces or ()
        if (self.search is not None or self.surfaces is not None) and self.rates.kind != "interests":
            raise ValueError(f"search and surfaces need rates of kind interests, not {self.rates.kind}")
        twice = [name for name, count in Counter(s.name for s in surfaces).items() if count > 1]
        if twice:
            raise ValueError(f"names of surfaces must differ, and {min(twice)!r} stands twice")
        if surfaces and (self.search is not None) != any(s.asks for s in surfaces):
            raise ValueError("surfaces where requests ask need the part search, and search such a surface")
        if self.funnel is not None and self.funnel.keyword_share > 0 and self.search is None:
            raise ValueError("funnel.keyword_share needs the part search: without queries no keyword matches")
        if surfaces and self.auction.exposure_draws != "cascade":
            raise ValueError("auction.exposure_draws is 'cascade' where surfaces say how their slots are seen")
        for surface in surfaces:
            if len(surface.exposure) > self.auction.slots:
                held, most = len(surface.exposure), self.auction.slots
                raise ValueError(f"surface {surface.name!r} has {held} slots, more than the {most} of auction.slots")
            patience = None if self.serving is None else self.serving.deadline_s
            if surface.deadline_s is not None and (patience is None or surface.deadline_s > patience):
                raise ValueError(f"surface {surface.name!r} needs a deadline_s within serving.deadline_s")

    @property
    def asks(self) -> bool:
        """Whether requests differ in more than who makes them: in their surface, or in what they ask."""
        return self.search is not None or self.surfaces is not None

    @property
    def ads_per_request(self) -> float:
        """Ads that a user sees in a request if all slots are sold, on average over the surfaces."""
        if self.surfaces is None:
            return sum(self.auction.marginal)
        return sum(s.share * sum(s.exposure) for s in self.surfaces) / sum(s.share for s in self.surfaces)

    @property
    def day_us(self) -> int:
        """Length of a day in microseconds."""
        return self.day_s * 1_000_000

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds."""
        return self.day_us // self.ticks_per_day

    @property
    def horizon_us(self) -> int:
        """End of the last day in microseconds."""
        return self.days * self.day_us

    @property
    def expected_requests(self) -> float:
        """Requests of an expected day: fewer than are planned where ads cut sessions short."""
        made = 1.0 if self.sessions is None else self.sessions.expected_share(self.ads_per_request)
        return self.traffic.requests_per_day * made

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name exactly these settings; those that are None do not count."""
        text = json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def preset(cls, name: str, **sizes: int) -> Scenario:
        """A named market: see `presets`. `sizes` go to the preset, e.g. `preset("uniform", bidders=5)`."""
        from .presets import PRESETS

        if not isinstance(name, str) or name not in PRESETS:
            raise ScenarioError(f"there is no preset {name!r}{suggest(str(name), PRESETS)}")
        taken = inspect.signature(PRESETS[name]).parameters
        for size, value in sizes.items():
            if size not in taken:
                raise ScenarioError(f"preset {name!r} does not take {size!r}{suggest(size, taken)}")
            if (number := whole(value)) is None or number < 1:
                raise ScenarioError(f"preset {name!r} needs a whole number from 1 up as {size}, not {value!r}")
            if size != "requests" and number > MOST_CAMPAIGNS:
                raise ScenarioError(f"preset {name!r} takes at most {MOST_CAMPAIGNS:,} as {size}, not {value!r}")
            sizes[size] = number
        return PRESETS[name](**sizes)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Reads a YAML file. Raises `ScenarioError` if it is missing, not YAML, or not a scenario."""
        path = Path(path)
        try:
            tree = read_yaml(path.read_bytes())
        except OSError as error:
            raise ScenarioError(f"cannot read the scenario {str(path)!r}: {error.strerror}") from None
        except ValueError as error:
            raise ScenarioError(f"{str(path)!r} is not YAML: {error}") from None
        if not isinstance(tree, dict):
            raise ScenarioError(f"{str(path)!r} holds no scenario: fields such as 'traffic' are expected at its top")
        return cls.from_tree(tree)

    @classmethod
    def named(cls, text: str) -> Scenario:
        """A preset by its name, or a YAML file by its path."""
        if Path(text).suffix in {".yaml", ".yml"} or "/" in text:
            return cls.load(text)
        return cls.preset(text)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Scenario:
        """A scenario from nested dictionaries, as YAML gives them."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise ScenarioError(sentence(cls, error)) from None

    def save(self, path: str | Path) -> None:
        """Writes a YAML file that `load` turns into an equal scenario. Raises `ScenarioError` if it cannot be written."""
        write(path, str(self), ScenarioError)

    def override(self, settings: Mapping[str, Any] | Iterable[str]) -> Scenario:
        """This scenario with some fields changed: {"auction.slots": 1}, or texts "auction.slots=1"."""
        if not isinstance(settings, Mapping):
            try:
                settings = read_settings(settings, "field=value, for example auction.slots=1, and")
            except ValueError as error:
                raise ScenarioError(str(error)) from None
        tree = self.model_dump(mode="json")
        for path, value in settings.items():
            node, *_ = branch = [tree]
            *parents, leaf = path.split(".")
            for depth, key in enumerate([*parents, leaf]):
                node = branch[-1]
                if not isinstance(node, dict) or key not in node:
                    where = ".".join(parents[:depth]) or "a scenario"
                    known = node if isinstance(node, dict) else ()
                    raise ScenarioError(f"{where} has no field {key!r}{suggest(key, known)}")
                branch.append(node[key])
            node[leaf] = value
        return self.from_tree(tree)

    def __str__(self) -> str:
        return write_yaml(self.model_dump(mode="json"), default_flow_style=None)
