"""What ads look like: embeddings of their text, images and videos, noisy linear views of what makes users click on them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats, Floats32
from ..core.chance import Stream, generator
from ..scenario.response import Interests
from ..scenario.tree import Scenario
from .ads import AdVectors
from .campaigns import Campaigns
from .users import People

FLAT = 1e-6  # of log-odds: what differs by less is taken for the same
ROTATION, HAS, NOISE, NEW = range(4)  # draws of the stream CONTENT_OF_ADS


class AdContent(NamedTuple):
    """Embeddings of A ads by modality, (A, dimensions) float32 each; rows of NaN where an ad has nothing of the kind."""

    text: Floats32
    image: Floats32
    video: Floats32


def ad_content(scenario: Scenario, table: Campaigns, people: People, ads: AdVectors, seed: int) -> AdContent | None:
    """What is told of the ads of a market, or of a world of that seed; None where nothing is.

    With z an ad's level and tastes, in standard deviations over ads, e standard normal noise, r the `correlation` and Q an
    orthogonal matrix of the modality's own, drawn by `market_seed`, an embedding of D dimensions is
    Q (r z + sqrt(1 - r^2) e) / sqrt(D); where z has no more numbers it is Q e / sqrt(D). So a regression of the level on one
    embedding explains r^2 of its variance, and on m of them m q / (1 + m q), where q = r^2 / (1 - r^2).

    Where it is drawn by run how popular new ads are, these are other ads in each run, and look otherwise.
    """
    settings, rates = scenario.content, scenario.rates
    if settings is None:
        return None
    assert isinstance(rates, Interests)
    count, dimensions, r = len(ads.bias), settings.dimensions, settings.correlation
    shown = _standardised(rates, table, people, ads)  # (A, 1 + tastes)
    told = []
    for modality, share in enumerate((settings.text_share, settings.image_share, settings.video_share)):

        def drawn(what: int, seed: int, modality: int = modality) -> Floats:
            return generator(seed, Stream.CONTENT_OF_ADS, what, modality).standard_normal((count, dimensions))

        noise = drawn(NOISE, scenario.market_seed)
        if rates.new_by_run:
            noise[ads.new] = drawn(NEW, seed)[ads.new]
        noise[:, : shown.shape[1]] *= math.sqrt(1 - r**2)
        noise[:, : shown.shape[1]] += r * shown
        dice = generator(scenario.market_seed, Stream.CONTENT_OF_ADS, ROTATION, modality)
        turned = noise @ np.linalg.qr(dice.standard_normal((dimensions, dimensions)))[0].T / math.sqrt(dimensions)
        has = generator(scenario.market_seed, Stream.CONTENT_OF_ADS, HAS, modality).random(count) < share
        turned[~has] = np.nan
        told.append(turned.astype(np.float32))
    return AdContent(*told)


def _standardised(rates: Interests, table: Campaigns, people: People, ads: AdVectors) -> Floats:
    """Levels and tastes of ads over what they differ by in the whole market, (A, 1 + dimensions); 0 where they do not."""
    average, tastes = people.interests.mean(axis=0, dtype=np.float64), ads.vectors.astype(np.float64)
    base = math.log(rates.click_rate / (1 - rates.click_rate))
    level = ads.bias + tastes @ average - base
    # Of the level what it was drawn with, so that an ad is told alike whatever others there are in a run.
    middle = np.r_[table.appeal.mean(), tastes.mean(axis=0)]
    spread = np.r_[math.sqrt(rates.ad_sigma**2 + table.appeal.var()), tastes.std(axis=0)]
    away = np.column_stack([level, tastes]) - middle
    return np.where(spread > FLAT, away / np.maximum(spread, FLAT), 0.0)
