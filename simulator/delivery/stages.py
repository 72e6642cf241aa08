"""How sharply each stage of the funnel sees."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from ..core.arrays import Floats32
from ..core.chance import Stream, generator
from ..population.ads import AdVectors
from ..population.users import People
from ..scenario.delivery import Funnel, Stage


class Channel(IntEnum):
    """By which ways recall finds ads."""

    INDEX = 0
    POPULAR = 1
    EXPLORING = 2
    KEYWORDS = 3


class StageView(NamedTuple):
    """What one stage makes of users and ads: log odds of a click = users . ads + bias."""

    dimensions: int
    ads: Floats32  # (ads, dimensions)
    bias: Floats32  # (ads,)


def stage_view(market_seed: int, number: int, stage: Stage, ads: AdVectors, users: People) -> StageView:
    """The first dimensions of what the platform believes, with errors of its own; the rest counts as for the average user."""
    dice = generator(market_seed, Stream.STAGE, number)
    d = min(stage.dimensions, ads.believed_vectors.shape[1])
    believed = ads.believed_vectors.astype(np.float64)
    length = np.linalg.norm(believed[:, :d], axis=1, keepdims=True)
    seen = believed[:, :d] + stage.noise * length / math.sqrt(d) * dice.standard_normal((len(believed), d))
    average = users.interests.mean(axis=0, dtype=np.float64)
    typical = ads.believed_bias + believed @ average  # log odds of each ad for the average user
    middle, seen = typical.mean(), stage.slope * seen
    bias = middle + stage.slope * (typical - middle) - seen @ average[:d]
    bias += stage.sigma * dice.standard_normal(len(believed))
    return StageView(d, np.ascontiguousarray(seen, np.float32), bias.astype(np.float32))


def channels(settings: Funnel, quota: int) -> tuple[int, ...]:
    """How recall's quota is shared out among the ways of `Channel`, in their order; rounding never makes it more."""
    left, out = quota, []
    for share in (settings.popular_share, settings.exploring_share, settings.keyword_share):
        out.append(min(round(share * quota), left))
        left -= out[-1]
    return left, *out
