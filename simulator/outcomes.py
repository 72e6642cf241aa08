"""What follows a click, and what would have come without one: delays, the chain of a lead, organic conversions; parts of a
scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from .settings import LogOdds, NonNegative, Part, Positive

Rate = Annotated[float, Field(gt=0, le=1)]


class DelayPart(Part):
    """A Weibull distribution of delays; shape 1 is exponential."""

    weight: Positive = 1.0
    shape: Positive = 1.0
    scale_s: Positive


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


class Leads(Lead):
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
