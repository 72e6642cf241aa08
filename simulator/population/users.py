"""Users and what they like: latent interests, segments, activity, and the rates that follow from them.

A rate model fills a block of believed rates at once (idea 2) and leaves the kernel what it needs to look up the truth of
the few ads that are shown. The truth is a pure function of who meets whom; what the platform believes is a copy of it,
degraded as the scenario says.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Floats32, Integers
from ..core.chance import Stream, alias_table, generator
from ..scenario import people


class People(NamedTuple):
    """The users, ordered by segment, and how a request finds one (Walker's alias tables within a segment)."""

    interests: Floats32  # (users, dimensions)
    segment: Integers  # (users,)
    segment_start: Integers  # (segments + 1,)
    tier: Integers  # (segments,) of traffic
    segment_share: NDArray[np.float64]  # (ticks, segments), cumulative over segments
    alias_share: NDArray[np.float64]  # (users,)
    alias_user: Integers  # (users,)


@lru_cache(maxsize=1)
def new_users(settings: people.Users, market_seed: int, ticks_per_day: int) -> People:
    """The users of a market, a function of its `market_seed`; markets that differ in other settings share them."""
    dice = generator(market_seed, Stream.POPULATION)
    centres = _directions(dice, settings.segments, settings.dimensions)
    segment = np.sort(dice.integers(settings.segments, size=settings.count))
    segment[: settings.segments] = np.arange(settings.segments)  # none is empty
    segment.sort()
    noise = dice.standard_normal((settings.count, settings.dimensions)) * settings.spread / math.sqrt(settings.dimensions)
    start = np.searchsorted(segment, np.arange(settings.segments + 1))
    activity = dice.pareto(settings.activity_tail, settings.count) + 0.2
    if settings.largest_share is not None:
        activity = np.minimum(activity, cap_of(activity, settings.largest_share))
    share, other = np.empty(settings.count), np.empty(settings.count, np.int64)
    for low, high in pairwise(start):
        share[low:high], other[low:high] = alias_table(activity[low:high])
        other[low:high] += low
    phase = dice.random(settings.segments)
    hour = (np.arange(ticks_per_day) + 0.5) / ticks_per_day
    weight = np.bincount(segment, activity) * np.exp(settings.hour_amplitude * np.cos(2 * np.pi * (hour[:, None] - phase)))
    return People(
        interests=(centres[segment] + noise).astype(np.float32),
        segment=segment,
        segment_start=start,
        tier=np.array(settings.tiers or (0,) * settings.segments, np.int64),
        segment_share=np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True),
        alias_share=share,
        alias_user=other,
    )


def cap_of(activity: Floats, share: float) -> float:
    """The most that one of `activity` (n,) may be, so that cut down to it none is more than a `share`, 1/n or more, of the sum.

    If the m largest are cut to c, and the others come to r, then c = share x (m c + r); m is the fewest for which the next
    one lies within that.
    """
    falling = np.sort(activity)[::-1]
    rest = falling.sum() - np.concatenate([[0.0], np.cumsum(falling[:-1])])
    for cut, (largest, others) in enumerate(zip(falling.tolist(), rest.tolist(), strict=True)):
        if (left := 1 - share * cut) <= 0:
            break
        if (cap := share * others / left) >= largest:
            return float(cap) if cut else float(largest)
    return float(falling[-1])


def _directions(dice: np.random.Generator, count: int, dimensions: int) -> NDArray[np.float64]:
    vectors = dice.standard_normal((count, dimensions))
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def activity(people: People) -> Floats:
    """How often each user is drawn relative to the mean of the segment, (users,): what the alias tables were made from."""
    weight: Floats = people.alias_share + np.bincount(people.alias_user, 1 - people.alias_share, people.alias_share.size)
    return weight


def request_shares(people: People) -> Floats:
    """The share of requests that each user would make on an even day, (users,), summing to 1."""
    segment = np.diff(people.segment_share, axis=1, prepend=0.0).mean(axis=0)
    share: Floats = activity(people) * (segment / np.diff(people.segment_start))[people.segment]
    share /= share.sum()
    return share
