"""What creatives the ads of a market have: formats, true appeal, segments' tastes; and embeddings of their content.

All of it is a function of the `market_seed`. Embeddings are computed when they are asked for, any number of creatives at a
time; a creative's is the same whatever others are asked for with it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Floats32, Integers
from ..core.chance import Stream, generator
from ..scenario.creatives import FORMATS, DrawnCreatives
from ..scenario.demand import Ad
from ..scenario.forecast import forecast
from ..scenario.tree import Scenario
from .campaigns import Campaigns
from .users import People

CREATIVES_OF_AN_AD, FORMAT, APPEAL, TASTE, FORMAT_TASTE, FRESH, DIRECTIONS, BORN = range(8)  # draws of the stream CREATIVES


class Portfolio(NamedTuple):
    """The creatives of a market, ad by ad; nothing in it is ever written to. A ads, C creatives, S segments of users."""

    first: Integers  # (A + 1,) first creative of each ad
    ad: Integers  # (C,)
    format: Integers  # (C,) places in `creatives.FORMATS`
    appeal: Floats32  # (C,) true, log-odds over the ad's own
    interaction: Floats32  # (C, S) true, log-odds over that
    fresh: NDArray[np.bool_]  # (C,) without a history
    born: Integers  # (C,) since when it is there, microseconds


def new_portfolio(scenario: Scenario, settings: DrawnCreatives, table: Campaigns, people: People) -> Portfolio:
    """The creatives of a market: those listed with their ads, and for the other ads drawn ones.

    Centred are the appeals that were drawn, over the creatives of each ad, and all interactions: over the creatives of each
    ad in each segment, and for each creative over segments weighted by their traffic on an expected day. Means are of
    log-odds: with even shares an ad's mean click rate is slightly above its own, the logistic function being convex there.
    """
    ads, seed = ads_of(table), scenario.market_seed

    def dice(what: int) -> np.random.Generator:
        return generator(seed, Stream.CREATIVES, what)

    low, high = settings.per_ad
    drawn = dice(CREATIVES_OF_AN_AD).integers(low, high + 1, len(ads))
    count = np.array([n if ad.creatives is None else len(ad.creatives) for ad, n in zip(ads, drawn, strict=True)])
    first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    total = int(first[-1])

    weights = np.cumsum(settings.formats.weights)
    format_ = np.searchsorted(weights, weights[-1] * dice(FORMAT).random(total), "right")
    appeal = settings.appeal_sigma * dice(APPEAL).standard_normal(total)
    appeal -= _mean_of_ad(appeal, first)
    for a, ad in enumerate(ads):
        for c, creative in enumerate(ad.creatives or (), first[a]):
            format_[c], appeal[c] = FORMATS.index(creative.format), creative.appeal

    traffic = segment_traffic(scenario, people)
    taste = settings.interaction_sigma * dice(TASTE).standard_normal((total, len(traffic)))
    taste += settings.format_sigma * dice(FORMAT_TASTE).standard_normal((len(FORMATS), len(traffic)))[format_]
    taste -= (taste @ traffic)[:, None]
    taste -= _mean_of_ad(taste, first)
    born = np.zeros(total, np.int64)
    if settings.late is not None:
        late = np.minimum(np.round(settings.late.share * count), count - 1).astype(np.int64)
        of_ad = np.arange(total) - np.repeat(first[:-1], count)
        born[:] = settings.late.within * scenario.horizon_us * dice(BORN).random(total)
        born[of_ad < np.repeat(count - late, count)] = 0
    return Portfolio(
        first=first,
        ad=np.repeat(np.arange(len(ads)), count),
        format=format_,
        appeal=appeal.astype(np.float32),
        interaction=taste.astype(np.float32),
        fresh=(dice(FRESH).random(total) < settings.fresh_share) | (born > 0),
        born=born,
    )


def ads_of(table: Campaigns) -> list[Ad]:
    """The ads of all campaigns, in their order."""
    return [ad for campaign in table.listed for ad in campaign.ads]


def ad_names(table: Campaigns) -> tuple[str, ...]:
    """Names of all ads, no two alike: of campaign and ad, and where a campaign has several of a name, of its number too."""
    names = [f"{table.names[k]}/{ad.name}" for k, ad in zip(table.ad_campaign, ads_of(table), strict=True)]
    times = Counter(names)
    return tuple(name if times[name] == 1 else f"{name}#{number}" for number, name in enumerate(names))


def most_creatives(scenario: Scenario, table: Campaigns) -> int:
    """The most creatives that an ad of a market has, or might have been drawn to have."""
    assert scenario.creatives is not None
    return max(scenario.creatives.per_ad[1] if ad.creatives is None else len(ad.creatives) for ad in ads_of(table))


def names_of(table: Campaigns, portfolio: Portfolio) -> list[str]:
    """The names of all creatives, (C,); no two of an ad are alike. Drawn ones are numbered within their ad."""
    return [
        name
        for ad, count in zip(ads_of(table), np.diff(portfolio.first).tolist(), strict=True)
        for name in ([c.name for c in ad.creatives] if ad.creatives else [f"creative-{n}" for n in range(count)])
    ]


def segment_traffic(scenario: Scenario, people: People) -> Floats:
    """The share of an expected day's requests that comes from each segment, (S,)."""
    by_tick = np.diff(people.segment_share, axis=1, prepend=0.0)
    traffic: Floats = forecast(scenario) @ by_tick
    return traffic


def _mean_of_ad(values: Floats, first: Integers) -> Floats:
    """For each creative the mean of `values` (C, ...) over the creatives of its ad."""
    count = np.diff(first).reshape(-1, *(1,) * (values.ndim - 1))
    mean: Floats = np.repeat(np.add.reduceat(values, first[:-1]) / count, np.diff(first), axis=0)
    return mean
