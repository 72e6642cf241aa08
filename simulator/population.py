"""Users and what they like: latent interests, segments, activity, and the rates that follow from them.

A rate model fills a block of believed rates at once (idea 2) and leaves the kernel what it needs to look up the truth of
the few ads that are shown. The truth is a pure function of who meets whom; what the platform believes is a copy of it,
degraded as the scenario says.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .chance import Stream, generator, uniform
from .compiled import inlined, kernel
from .demand import Campaigns
from .scenario import Interests, Normal, Scenario, Uniform
from .scenario import Users as Population

# Up to so many users all are looked at to see how much they differ about an ad, of more about so many.
MOST_COMPARED, COMPARED = 20_000, 2_000

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Keys = NDArray[np.uint64]


class Users(NamedTuple):
    """The users, ordered by segment, and how a request finds one (Walker's alias tables within a segment)."""

    interests: Floats  # (users, dimensions)
    segment: Integers  # (users,)
    segment_start: Integers  # (segments + 1,)
    tier: Integers  # (segments,) of traffic
    segment_share: NDArray[np.float64]  # (ticks, segments), cumulative over segments
    alias_share: NDArray[np.float64]  # (users,)
    alias_user: Integers  # (users,)


class Truth(NamedTuple):
    """What the kernel needs to know the true click rate of an ad that is shown: vectors, or a block of rates."""

    users: Floats  # (users, dimensions)
    ads: Floats  # (ads, dimensions)
    bias: Floats  # (ads,)
    block: Floats  # (ads, chunk), or (0, 0) where vectors tell


class Asked(NamedTuple):
    """What a block of n requests brings beside its users, as the platform believes it; see `surfaces`."""

    query: Integers  # (n,) -1: none
    vectors: Floats  # (n, dimensions) of the queries; 0 where none is asked
    odds: Floats  # (n,) of a click, on any ad
    lift: Floats  # (n,)

    def part(self, block: slice) -> Asked:
        """The same of some of the requests."""
        return Asked(self.query[block], self.vectors[block], self.odds[block], self.lift[block])


class Rates(Protocol):
    """Fills blocks of believed click rates."""

    truth: Truth
    bound: float  # no believed rate is larger

    def fill(self, first: int, users: Integers, asked: Asked | None, out: Floats) -> None:
        """Believed click rates (times lift) of all ads for requests first, first + 1, ... from `users`; out: (ads, n)."""


@lru_cache(maxsize=1)
def users(settings: Population, market_seed: int, ticks_per_day: int) -> Users:
    """The users of a market, a function of its `market_seed`; markets that differ in other settings share them."""
    dice = generator(market_seed, Stream.POPULATION)
    centres = _directions(dice, settings.segments, settings.dimensions)
    segment = np.sort(dice.integers(settings.segments, size=settings.count))
    segment[: settings.segments] = np.arange(settings.segments)  # none is empty
    segment.sort()
    noise = dice.standard_normal((settings.count, settings.dimensions)) * settings.spread / math.sqrt(settings.dimensions)
    start = np.searchsorted(segment, np.arange(settings.segments + 1))
    activity = dice.pareto(settings.activity_tail, settings.count) + 0.2
    share, other = np.empty(settings.count), np.empty(settings.count, np.int64)
    for low, high in pairwise(start):
        share[low:high], other[low:high] = alias_table(activity[low:high])
        other[low:high] += low
    phase = dice.random(settings.segments)
    hour = (np.arange(ticks_per_day) + 0.5) / ticks_per_day
    weight = np.bincount(segment, activity) * np.exp(settings.hour_amplitude * np.cos(2 * np.pi * (hour[:, None] - phase)))
    return Users(
        interests=(centres[segment] + noise).astype(np.float32),
        segment=segment,
        segment_start=start,
        tier=np.array(settings.tiers or (0,) * settings.segments, np.int64),
        segment_share=np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True),
        alias_share=share,
        alias_user=other,
    )


def _directions(dice: np.random.Generator, count: int, dimensions: int) -> NDArray[np.float64]:
    vectors = dice.standard_normal((count, dimensions))
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], Integers]:
    """Walker's alias method (Vose 1991): keep place j with probability share[j], else take other[j]."""
    share = weights * (len(weights) / weights.sum())
    other = np.arange(len(weights))
    small, stack = np.flatnonzero(share < 1), np.empty_like(other)
    stack[: small.size] = small
    _pair_up(share, other, stack, small.size, np.flatnonzero(share >= 1))
    return share, other


@inlined
def alias_draw(draw: Any, low: Any, high: Any, share: Any, other: Any) -> Any:
    """The place from `low` up to, not including, `high` that one uniform draw finds by Walker's alias method."""
    at = draw * (high - low)
    place = low + np.int64(at)
    return place if at - np.int64(at) < share[place] else other[place]


@kernel()
def _pair_up(share: Any, other: Any, stack: Any, waiting: Any, large: Any) -> None:
    """Fills up each of the `waiting` places on the stack, which have less than 1, from one that has more, last ones first."""
    left = large.size
    while waiting > 0 and left > 0:
        j, k = stack[waiting - 1], large[left - 1]
        waiting -= 1
        other[j] = k
        share[k] -= 1 - share[j]
        if share[k] < 1:
            left -= 1
            stack[waiting] = k
            waiting += 1
    for place in range(waiting):
        share[stack[place]] = 1.0
    for place in range(left):
        share[large[place]] = 1.0


class AdVectors(NamedTuple):
    """What makes users click on ads, and what the platform believes of it; all float32."""

    vectors: Floats  # (ads, dimensions)
    bias: Floats  # (ads,)
    believed_vectors: Floats
    believed_bias: Floats
    new: NDArray[np.bool_]  # (ads,) without a history


def ad_vectors(scenario: Scenario, settings: Interests, table: Campaigns, people: Users) -> AdVectors:
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
    share = scenario.funnel.new_share if scenario.funnel is not None else 0.0
    new = generator(scenario.market_seed, Stream.CAMPAIGNS, 4).random(len(table.appeal)) < share
    known = np.where(new, 0.0, popularity[table.ad_campaign] + table.appeal)
    believed_bias = base + slope * (known - interests.mean(axis=0) @ vectors.T) + settings.belief_bias
    if settings.belief_sigma:
        lasting = generator(scenario.market_seed, Stream.CAMPAIGNS, 5).standard_normal(len(believed_bias))
        believed_bias += settings.belief_sigma * lasting
    return AdVectors(
        vectors.astype(np.float32), bias.astype(np.float32),
        np.ascontiguousarray(believed, np.float32), believed_bias.astype(np.float32), new,
    )  # fmt: skip


def rates(
    settings: Interests | Uniform | Normal, people: Users, ads: AdVectors | None, count: int, chunk: int, keys: Keys
) -> Rates:
    """The rate model that the scenario asks for, for `count` ads and blocks of `chunk` requests, under a world's keys."""
    if isinstance(settings, Interests):
        assert ads is not None
        return InterestRates(people, ads, chunk)
    return DrawnRates(settings, count, chunk, keys)


class InterestRates:
    """Click rates sigmoid(bias + user . ad)."""

    bound = 1.0

    def __init__(self, people: Users, ads: AdVectors, chunk: int) -> None:
        dimensions = people.interests.shape[1]
        self.truth = Truth(people.interests, ads.vectors, ads.bias, np.empty((0, 0), np.float32))
        self._users, self._ads, self._bias = people.interests, ads.believed_vectors, ads.believed_bias
        self._rows = np.empty((chunk, dimensions), np.float32)
        self._columns = np.empty((dimensions, chunk), np.float32)

    def fill(self, first: int, users: Integers, asked: Asked | None, out: Floats) -> None:
        """See `Rates.fill`. The height of the product is fixed: other heights differ in the last bit."""
        np.take(self._users, users, axis=0, out=self._rows, mode="clip")
        if asked is not None:
            self._rows += asked.vectors
        np.copyto(self._columns, self._rows.T)
        np.matmul(self._ads, self._columns, out=out)
        if asked is not None:
            out += asked.odds
        add_bias_and_squash(out, self._bias)
        if asked is not None:
            out *= asked.lift


class DrawnRates:
    """Rates drawn anew for every request and ad, from a uniform or normal distribution; beliefs add normal noise."""

    def __init__(self, settings: Uniform | Normal, ads: int, chunk: int, keys: Keys) -> None:
        self._keys, self._noise = keys, settings.belief_noise
        self._normal = isinstance(settings, Normal)
        if isinstance(settings, Normal):
            self._location, self._scale, self.bound = settings.mean, settings.sigma, 1.0
        else:
            self._location, self._scale = settings.low, settings.high - settings.low
            self.bound = settings.high + 9 * settings.belief_noise  # 52-bit normals stay within 8.6
        none = np.empty((0, 0), np.float32)
        self.truth = Truth(none, none, np.empty(0, np.float32), np.empty((ads, chunk), np.float32))

    def fill(self, first: int, users: Integers, asked: Asked | None, out: Floats) -> None:
        """See `Rates.fill`; whatever is asked, nobody's rates depend on it."""
        draw_rates(self._keys, first, self._normal, self._location, self._scale, self._noise, self.truth.block, out)


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) in float64, for the truth of one ad."""
    return 1.0 / (1.0 + math.exp(-x))


@inlined
def exponential(x: Any) -> Any:
    """exp(x) in float32 by Cephes' expf: range reduction and a polynomial of degree 5, which compilers vectorise."""
    one = np.float32(1)
    x = min(max(x, np.float32(-87)), np.float32(87))
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    x -= n * np.float32(0.693359375)
    x -= n * np.float32(-2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * x + np.float32(1.3981999507e-3)
    y = y * x + np.float32(8.3334519073e-3)
    y = y * x + np.float32(4.1665795894e-2)
    y = y * x + np.float32(1.6666665459e-1)
    y = y * x + np.float32(5.0000001201e-1)
    y = y * x * x + x + one
    return y * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@kernel(fastmath={"contract"})
def add_bias_and_squash(odds: Any, bias: Any) -> None:
    """odds[k, j] becomes sigmoid(odds[k, j] + bias[k]), in place, float32."""
    one = np.float32(1)
    for k in range(odds.shape[0]):
        row, b = odds[k], bias[k]
        for j in range(row.size):
            row[j] = one / (one + exponential(-(row[j] + b)))


@kernel()
def draw_rates(keys: Any, first: Any, normal: Any, location: Any, scale: Any, noise: Any, truth: Any, belief: Any) -> None:
    """True rates location + scale x (uniform or normal draw) for each ad and request; beliefs add noise x normal."""
    for k in range(belief.shape[0]):
        for j in range(belief.shape[1]):
            if normal:
                draw = normal_draw(keys[Stream.RATE], first + j, 2 * k)
            else:
                draw = uniform(keys[Stream.RATE], first + j, k)
            truth[k, j] = location + scale * draw
            belief[k, j] = truth[k, j]
            if noise > 0.0:
                belief[k, j] += noise * normal_draw(keys[Stream.BELIEF], first + j, 2 * k)


@inlined
def normal_draw(key: Any, request: Any, whose: Any) -> Any:
    """A standard normal by Box and Muller, from the draws of `whose` and `whose + 1`."""
    radius = math.sqrt(-2.0 * math.log(uniform(key, request, whose)))
    return radius * math.cos(2.0 * math.pi * uniform(key, request, whose + 1))


@kernel()
def best_ads(block: Any, first_ad: Any, rate: Any, ad: Any) -> None:
    """For each campaign and request, its ad with the best believed rate (the first of equals) and that rate."""
    for k in range(rate.shape[0]):
        for j in range(block.shape[1]):
            best = first_ad[k]
            for a in range(first_ad[k] + 1, first_ad[k + 1]):
                if block[a, j] > block[best, j]:
                    best = a
            ad[k, j] = best
            rate[k, j] = block[best, j]
