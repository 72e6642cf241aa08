"""What creatives the ads of a market have: formats, true appeal, segments' tastes; and embeddings of their content.

All of it is a function of the `market_seed`. Embeddings are computed when they are asked for, any number of creatives at a
time; a creative's is the same whatever others are asked for with it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .chance import Stream, generator, stream_keys
from .compiled import kernel
from .creatives import FORMATS, Creatives
from .demand import Campaigns
from .errors import MarketError
from .forecast import forecast
from .population import Users, normal_draw
from .scenario import Ad, Scenario

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

MODALITIES = ("text", "image", "video")
# What there is to embed of a creative; a video has a still, and all have words.
MODALITIES_OF = {
    "image": ("text", "image"),
    "video": ("text", "image", "video"),
    "text": ("text",),
    "lead_form": ("text", "image"),
    "carousel": ("text", "image"),
}
CREATIVES_OF_AN_AD, FORMAT, APPEAL, TASTE, FORMAT_TASTE, FRESH, DIRECTIONS = range(7)  # draws of the stream CREATIVES


class Portfolio(NamedTuple):
    """The creatives of a market, ad by ad; nothing in it is ever written to. A ads, C creatives, S segments of users."""

    first: Integers  # (A + 1,) first creative of each ad
    ad: Integers  # (C,)
    format: Integers  # (C,) places in `creatives.FORMATS`
    appeal: Floats  # (C,) true, log-odds over the ad's own
    interaction: Floats  # (C, S) true, log-odds over that
    fresh: NDArray[np.bool_]  # (C,) without a history


def portfolio(scenario: Scenario, settings: Creatives, table: Campaigns, people: Users) -> Portfolio:
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
    return Portfolio(
        first=first,
        ad=np.repeat(np.arange(len(ads)), count),
        format=format_,
        appeal=appeal.astype(np.float32),
        interaction=taste.astype(np.float32),
        fresh=dice(FRESH).random(total) < settings.fresh_share,
    )


def ads_of(table: Campaigns) -> list[Ad]:
    """The ads of all campaigns, in their order."""
    return [ad for campaign in table.listed for ad in campaign.ads]


def names_of(table: Campaigns, held: Portfolio) -> list[str]:
    """The names of all creatives, (C,); no two of an ad are alike. Drawn ones are numbered within their ad."""
    return [
        name
        for ad, count in zip(ads_of(table), np.diff(held.first).tolist(), strict=True)
        for name in ([c.name for c in ad.creatives] if ad.creatives else [f"creative-{n}" for n in range(count)])
    ]


def segment_traffic(scenario: Scenario, people: Users) -> Doubles:
    """The share of an expected day's requests that comes from each segment, (S,)."""
    by_tick = np.diff(people.segment_share, axis=1, prepend=0.0)
    traffic: Doubles = forecast(scenario) @ by_tick
    return traffic


def _mean_of_ad(values: Doubles, first: Integers) -> Doubles:
    """For each creative the mean of `values` (C, ...) over the creatives of its ad."""
    count = np.diff(first).reshape(-1, *(1,) * (values.ndim - 1))
    mean: Doubles = np.repeat(np.add.reduceat(values, first[:-1]) / count, np.diff(first), axis=0)
    return mean


def has_modality(held: Portfolio, modality: str) -> NDArray[np.bool_]:
    """Which creatives have something to embed in a modality, (C,). Raises `MarketError` if there is no such modality."""
    if modality not in MODALITIES:
        raise MarketError(f"there is no modality {modality!r}: known are {', '.join(MODALITIES)}")
    return np.array([modality in MODALITIES_OF[name] for name in FORMATS])[held.format]


def embeddings(
    scenario: Scenario, table: Campaigns, held: Portfolio, modality: str, creatives: ArrayLike | None = None
) -> Floats:
    """Embeddings of the content of creatives in one modality: "text", "image" or "video".

    Args:
        creatives: their numbers, (n,); None: all.

    Returns:
        (n, dimensions) float32, of mean square length 1; rows of NaN where a format lacks the modality (`has_modality`).

    Half of the square length is the direction of the vertical, the same in all modalities, and half is noise, alike in every
    direction. In one direction of each modality the noise stands aside for true appeal: with z the appeal in standard
    deviations of all creatives and r = `embedding_correlation`, that component is r z + sqrt(1 - r^2) noise. So a regression
    of appeal on the embedding of one modality explains r^2 of its variance, and one on m of them m q / (1 + m q), where
    q = r^2 / (1 - r^2). Segments' tastes are not written there.

    Raises:
        MarketError: if the scenario has no creatives, or none of such a number, or there is no such modality.
    """
    settings = scenario.creatives
    if settings is None:
        raise MarketError(f"embeddings need a market with creatives, and scenario {scenario.name!r} has none")
    present, total = has_modality(held, modality), len(held.ad)
    which = np.arange(total) if creatives is None else np.asarray(creatives)
    if which.ndim != 1 or (which.size and which.dtype.kind not in "iu"):
        raise MarketError(f"creatives are given by a list of their numbers, not by {creatives!r}")
    which = which.astype(np.int64)
    wrong = which[(which < 0) | (which >= total)]
    if wrong.size:
        raise MarketError(f"there is no creative {wrong[0]}: they are numbered from 0 to {total - 1}")
    dimensions, place = settings.embedding_dimensions, MODALITIES.index(modality)
    dice = generator(scenario.market_seed, Stream.CREATIVES, DIRECTIONS)
    directions = _unit(dice.standard_normal((len(MODALITIES), dimensions)))[place]
    centres = dice.standard_normal((int(table.vertical.max()) + 1, dimensions))
    # A vertical says nothing of appeal: it lies across the direction in which that is written.
    centres = _unit(centres - np.outer(centres @ directions, directions))
    appeal = held.appeal.astype(np.float64)
    spread = appeal.std()
    written = (appeal - appeal.mean()) / spread if spread > 0 else np.zeros(total)
    out = np.empty((which.size, dimensions), np.float32)
    embed(
        stream_keys(scenario.market_seed)[Stream.CREATIVES], place, which, present, table.vertical[table.ad_campaign][held.ad],
        centres, directions, written, settings.embedding_correlation, out,
    )  # fmt: skip
    return out


def _unit(vectors: Doubles) -> Doubles:
    unit: Doubles = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


@kernel()
def embed(
    key: Any, modality: Any, which: Any, present: Any, vertical: Any, centres: Any, direction: Any, written: Any,
    correlation: Any, out: Any,
) -> None:  # fmt: skip
    """Fills out (n, dimensions) with the embeddings of creatives `which`; see `embeddings`."""
    dimensions = out.shape[1]
    for n in range(which.size):
        c = which[n]
        if not present[c]:
            out[n] = np.nan
            continue
        along = 0.0  # the noise in the direction of appeal
        for d in range(dimensions):
            noise = normal_draw(key, c, 2 * (modality * dimensions + d))
            out[n, d] = noise
            along += noise * direction[d]
        change = correlation * written[c] + (math.sqrt(1.0 - correlation * correlation) - 1.0) * along
        for d in range(dimensions):
            noise = (out[n, d] + change * direction[d]) / math.sqrt(dimensions)
            out[n, d] = math.sqrt(0.5) * (centres[vertical[c], d] + noise)
