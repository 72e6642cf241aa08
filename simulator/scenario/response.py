"""What follows a click, and what would have come without one: delays, the chain of a lead, organic conversions; parts of a
scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from .part import LogOdds, NonNegative, Part, Positive, Share

Rate = Annotated[float, Field(gt=0, le=1)]


class DelayPart(Part):
    """A Weibull distribution of delays; shape 1 is exponential."""

    weight: Positive = Field(1.0, description="relative to the other parts of the mixture")
    shape: Positive = Field(1.0, description="of the Weibull; 1: exponential, below: a heavier tail")
    scale_s: Positive = Field(description="of the Weibull; the mean, where shape is 1")


def reported_within(parts: Sequence[DelayPart], days: float, window_days: float) -> float:
    """Share of a mixture of Weibulls, each truncated at the window, that lies within so many days."""
    inner, outer = (np.array([((d * DAY_S) / p.scale_s) ** p.shape for p in parts]) for d in (days, window_days))
    weight = np.array([p.weight for p in parts])
    return float(weight @ (np.expm1(-inner) / np.expm1(-outer)) / weight.sum())


Delay = Annotated[tuple[DelayPart, ...], Field(min_length=1)]
HOUR_S, DAY_S = 3600.0, 86_400.0
MINUTES = (DelayPart(weight=0.9, scale_s=180.0), DelayPart(weight=0.1, scale_s=1800.0))  # to fill in a form
DAYS = (DelayPart(weight=0.3, scale_s=4 * HOUR_S), DelayPart(weight=0.7, shape=1.2, scale_s=3 * DAY_S))  # to call and ask
WEEKS = (DelayPart(shape=1.3, scale_s=12 * DAY_S),)  # to decide


class Lead(Part):
    """What follows a click on the ad of a lead campaign: a form that opens, its submit, a qualified lead, a sale.

    The submit is the campaign's conversion: `conversion_rate` (form opens per click x submits per form open) says how many
    clicks lead to one, `value_per_conversion` what one is worth, which is the value of a qualified lead x `qualified_rate`, and
    billing by CPA charges for it. The form opens with the click. The advertiser tells whether a lead was qualified when it
    has found out. Each delay is a mixture of Weibulls, truncated at `response.window_days`. The default delays are guesses:
    there is no public source.
    """

    form_open_rate: Rate = Field(description="forms opened per click; at no hour below the conversion rate")
    qualified_rate: Rate = Field(description="qualified leads per submit")
    sale_rate: Rate = Field(description="sales per qualified lead")
    submit_delay: Delay = Field(MINUTES, description="from click to submit")
    qualified_delay: Delay = Field(DAYS, description="from submit to the advertiser's word that the lead is qualified")
    sale_delay: Delay = Field(WEEKS, description="from there to the sale")


class DrawnLeads(Lead):
    """Drawn lead campaigns: those of a vertical share their rates, which spread around the ones given here."""

    vertical_sigma: NonNegative = Field(0.0, description="log-odds standard deviation of each rate between verticals")


class Organic(Part):
    """Users who convert without any ad: for each campaign, with some probability each day.

    Whether one does is a function of user, day and campaign, of log-odds log(rate / (1 - rate)) + slope x liking; liking is
    user . ad of the campaign's first ad, less its mean over users, as in the click rate. With a positive slope those who click
    much would often have bought anyway.
    """

    rate: Annotated[float, Field(gt=0, lt=1)] = Field(description="of a user of average liking, a day and a campaign")
    slope: LogOdds = Field(0.0, description="log-odds for a unit of liking; 1 is how clicks depend on it")


class Learning(Part):
    """What is believed of ads without a history follows their clicks: factors on their odds, renewed as each tick opens.

    A new ad is first believed to be clicked as often as ads are on average. How many times as often it is: a gamma distribution
    of mean 1, to whose shape clicks are added and to whose rate the clicks that the first belief let expect.
    """

    shape: Positive = Field(1.5, description="of the gamma distribution before any impression; the larger, the slower to learn")


class Interests(Part):
    """Rates from latent interests: click = sigmoid(bias_ad + user . ad); the platform believes a noisy copy of it."""

    kind: Literal["interests"] = Field("interests", description="rates follow from vectors of users and ads")
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
    new_share: Share | None = Field(
        None, description="share of ads without a history: believed to be as popular as any; None: funnel.new_share"
    )
    new_by_run: bool | None = Field(
        None, description="how popular new ads are is drawn by the seed of a world; None: no, by market_seed"
    )
    learning: Learning | None = Field(None, description="None: what is believed of an ad never changes")


class Uniform(Part):
    """True rates drawn uniformly for every request and campaign: the market of auction theory."""

    kind: Literal["uniform"] = Field("uniform", description="rates are drawn for each request, all values alike")
    low: Share = Field(0.0, description="least rate")
    high: Share = Field(1.0, description="largest rate")
    belief_noise: NonNegative = Field(0.0, description="standard deviation of the normal error of a belief")

    @model_validator(mode="after")
    def _check(self) -> Uniform:
        if self.low >= self.high:
            raise ValueError(f"low must lie below high, not {self.low} and {self.high}")
        return self


class Normal(Part):
    """True rates drawn normally for every request and campaign; far enough from 0 and 1 to stay inside."""

    kind: Literal["normal"] = Field("normal", description="rates are drawn for each request, around a mean")
    mean: Share = Field(0.5, description="of the rates")
    sigma: Positive = Field(0.04, description="standard deviation of the rates")
    belief_noise: NonNegative = Field(0.0, description="standard deviation of the normal error of a belief")

    @model_validator(mode="after")
    def _check(self) -> Normal:
        reach = 8 * (self.sigma**2 + self.belief_noise**2) ** 0.5
        if self.mean - reach < 0 or self.mean + reach > 1:
            raise ValueError("mean must lie 8 standard deviations (of rate and belief together) away from 0 and from 1")
        return self


Rates = Annotated[Interests | Uniform | Normal, Field(discriminator="kind")]


class Response(Part):
    """What a click leads to, and when it is reported."""

    delay: Delay = Field((DelayPart(scale_s=3600.0),), description="mixture of Weibulls, truncated at window_days")
    window_days: Annotated[float, Field(gt=0, le=3650)] = Field(30.0, description="after a click, by which conversions happen")
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
