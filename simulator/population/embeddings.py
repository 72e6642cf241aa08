"""Embeddings of the content of creatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import Floats, Floats32
from ..core.chance import Stream, generator, normal_draw, stream_keys
from ..core.compiled import kernel
from ..core.errors import MarketError
from ..scenario.creatives import FORMATS
from ..scenario.tree import Scenario
from .campaigns import Campaigns
from .creatives import DIRECTIONS, Portfolio

MODALITIES = ("text", "image", "video")
# What there is to embed of a creative; a video has a still, and all have words.
MODALITIES_OF = {
    "image": ("text", "image"),
    "video": ("text", "image", "video"),
    "text": ("text",),
    "lead_form": ("text", "image"),
    "carousel": ("text", "image"),
}


def has_modality(portfolio: Portfolio, modality: str) -> NDArray[np.bool_]:
    """Which creatives have something to embed in a modality, (C,). Raises `MarketError` if there is no such modality."""
    if modality not in MODALITIES:
        raise MarketError(f"there is no modality {modality!r}: known are {', '.join(MODALITIES)}")
    return np.array([modality in MODALITIES_OF[name] for name in FORMATS])[portfolio.format]


def embeddings(
    scenario: Scenario, table: Campaigns, portfolio: Portfolio, modality: str, creatives: ArrayLike | None = None
) -> Floats32:
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
    present, total = has_modality(portfolio, modality), len(portfolio.ad)
    which = np.arange(total) if creatives is None else np.asarray(creatives)
    if which.ndim != 1 or (which.size and which.dtype.kind not in "iu"):
        raise MarketError(f"creatives are given by a list of their numbers, not by {creatives!r}")
    which = which.astype(np.int64)
    wrong = which[(which < 0) | (which >= total)]
    if wrong.size:
        raise MarketError(f"there is no creative {wrong[0]}: they are numbered from 0 to {total - 1}")
    dimensions, place = settings.embedding_dimensions, MODALITIES.index(modality)
    directions, dice = _directions(scenario.market_seed, dimensions)
    directions = directions[place]
    centres = dice.standard_normal((int(table.vertical.max()) + 1, dimensions))
    # A vertical says nothing of appeal: it lies across the direction in which that is written.
    centres = _unit(centres - np.outer(centres @ directions, directions))
    appeal = portfolio.appeal.astype(np.float64)
    spread = appeal.std()
    written = (appeal - appeal.mean()) / spread if spread > 0 else np.zeros(total)
    out = np.empty((which.size, dimensions), np.float32)
    embed(
        stream_keys(scenario.market_seed)[Stream.CREATIVES], place, which, present,
        table.vertical[table.ad_campaign][portfolio.ad], centres, directions, written, settings.embedding_correlation, out,
    )  # fmt: skip
    return out


def content_scores(scenario: Scenario, table: Campaigns, portfolio: Portfolio) -> Floats:
    """The best linear guess of appeal from the embeddings of all modalities a creative has, (C,), log-odds.

    What a regression on the embeddings and appeals of any number of earlier creatives of the market would find: of m
    modalities it explains m q / (1 + m q) of the variance, q as `embeddings` says. Nothing of the truth of these creatives is
    in it but what their embeddings tell.
    """
    settings = scenario.creatives
    assert settings is not None
    correlation, dimensions = settings.embedding_correlation, settings.embedding_dimensions
    appeal = portfolio.appeal.astype(np.float64)
    if correlation == 0:
        return np.full(appeal.size, appeal.mean())
    directions, _ = _directions(scenario.market_seed, dimensions)
    along, count = np.zeros(appeal.size), np.zeros(appeal.size)
    for place, modality in enumerate(MODALITIES):
        which = np.flatnonzero(has_modality(portfolio, modality))
        rows = embeddings(scenario, table, portfolio, modality, which).astype(np.float64)
        along[which] += rows @ directions[place] * math.sqrt(2.0 * dimensions)
        count[which] += 1
    # Each component is r z + sqrt(1 - r^2) noise; their sum is as good as all of them.
    noise = 1.0 - correlation**2
    guess: Floats = appeal.mean() + appeal.std() * correlation * along / (noise + count * correlation**2)
    return guess


def _directions(market_seed: int, dimensions: int) -> tuple[Floats, np.random.Generator]:
    """The direction in which each modality tells of appeal, (modalities, dimensions), and the dice for the rest."""
    dice = generator(market_seed, Stream.CREATIVES, DIRECTIONS)
    return _unit(dice.standard_normal((len(MODALITIES), dimensions))), dice


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


@kernel(nogil=True)
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
