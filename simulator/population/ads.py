"""What makes users click on ads, and what the platform believes of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats32
from ..core.chance import Stream, generator
from ..scenario.response import Interests
from ..scenario.tree import Scenario
from .campaigns import Campaigns
from .users import People, _directions

# Up to so many users all are looked at to see how much they differ about an ad, of more about so many.
MOST_COMPARED, COMPARED = 20_000, 2_000


class AdVectors(NamedTuple):
    """What makes users click on ads, and what the platform believes of it; all float32."""

    vectors: Floats32  # (ads, dimensions)
    bias: Floats32  # (ads,)
    believed_vectors: Floats32
    believed_bias: Floats32
    new: NDArray[np.bool_]  # (ads,) without a history


def ad_vectors(scenario: Scenario, settings: Interests, table: Campaigns, people: People) -> AdVectors:
    """The ads of a market, a function of its `market_seed`: around the centre of their vertical, of varied popularity."""
    dice = generator(scenario.market_seed, Stream.CAMPAIGNS, 1)
    dimensions = people.interests.shape[1]
    spread = scenario.demand.vertical_spread
    centres = _directions(dice, int(table.vertical.max()) + 1, dimensions)
    own = dice.standard_normal((len(table.names), dimensions)) * spread / math.sqrt(dimensions)
    vectors = (centres[table.vertical] + own)[table.ad_campaign]
    # Scaled so that log-odds differ between users by `affinity`, and centred on the average user.
    interests = people.interests.astype(np.float64)
    # Users who do not differ (a single one, or no spread) click at an ad's average rate.
    sample = interests if len(interests) <= MOST_COMPARED else interests[:: len(interests) // COMPARED]
    deviation = (sample @ vectors.T).std(axis=0)
    vectors *= np.where(deviation > 1e-6, settings.affinity / np.maximum(deviation, 1e-6), 0.0)[:, None]
    popularity = settings.ad_sigma * dice.standard_normal(len(table.names))
    base = math.log(settings.click_rate / (1 - settings.click_rate))
    bias = base + popularity[table.ad_campaign] + table.appeal - interests.mean(axis=0) @ vectors.T
    error = dice.standard_normal(vectors.shape) * settings.belief_noise / math.sqrt(dimensions)
    slope = settings.belief_slope or 1.0
    believed = slope * (vectors + error * np.linalg.norm(vectors, axis=1, keepdims=True))
    new = generator(scenario.market_seed, Stream.CAMPAIGNS, 4).random(len(table.appeal)) < scenario.new_share
    # Where beliefs learn they are right on average from the first: the mean of what is log-normal, and not its median.
    unknown = settings.ad_sigma**2 / 2 if scenario.learns else 0.0
    known = np.where(new, unknown, popularity[table.ad_campaign] + table.appeal)
    believed_bias = base + slope * (known - interests.mean(axis=0) @ vectors.T) + settings.belief_bias
    if settings.belief_sigma:
        lasting = generator(scenario.market_seed, Stream.CAMPAIGNS, 5).standard_normal(len(believed_bias))
        believed_bias += settings.belief_sigma * lasting
    return AdVectors(
        vectors.astype(np.float32), bias.astype(np.float32),
        np.ascontiguousarray(believed, np.float32), believed_bias.astype(np.float32), new,
    )  # fmt: skip
