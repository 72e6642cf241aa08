"""Rate models: blocks of believed rates, and the truth of the few ads that are shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.arrays import Floats, Floats32, Integers, Keys
from ..core.chance import Stream, normal_draw, uniform
from ..core.compiled import entry, inlined, kernel
from ..core.errors import MarketError
from ..core.intrinsics import fetch
from ..core.simd import WIDTH
from ..scenario.response import Interests, Normal, Uniform
from .ads import AdVectors
from .scoring import rate_all
from .users import People


class ClickTruth(NamedTuple):
    """What the kernel needs to know the true click rate of an ad that is shown: vectors, or a block of rates."""

    users: Floats32  # (users, dimensions)
    ads: Floats32  # (ads, dimensions)
    bias: Floats32  # (ads,)
    block: Floats32  # (ads, chunk), or (0, 0) where vectors tell


MOST_PAIRS = 1 << 20  # of a user and an ad, in a table: 8 MB, which stay in the cache of a processor
NO_TABLE: Floats = np.empty((0, 0))
NO_TABLE.flags.writeable = False  # as that of a market, whose arrays are shared


class Context(NamedTuple):
    """What a block of n requests brings beside its users, as the platform believes it; see `surfaces`."""

    query: Integers  # (n,) -1: none
    vectors: Floats32  # (n, dimensions) of the queries; 0 where there is none
    odds: Floats32  # (n,) of a click, on any ad
    lift: Floats32  # (n,)

    @classmethod
    def plain(cls, requests: int, dimensions: int) -> Context:
        """Of so many requests with which nothing comes."""
        none = np.zeros(requests, np.float32)
        return cls(np.full(requests, -1), np.zeros((requests, dimensions), np.float32), none, none + 1)

    def lifted(self, lift: Floats) -> Context:
        """The same with clicks that convert so many times as readily, (n,)."""
        return self._replace(lift=self.lift * lift.astype(np.float32))

    def part(self, block: slice) -> Context:
        """The same of some of the requests."""
        return Context(self.query[block], self.vectors[block], self.odds[block], self.lift[block])


NOTHING = np.empty((0, 0), np.float32), np.empty(0, np.float32), np.empty(0, np.float32)  # brought beside users


class Law(NamedTuple):
    """By which rates are drawn: location + scale x draw, and what is believed of one by how much noise."""

    normal: int  # 1: draws are normal, 0: uniform
    location: float
    scale: float
    noise: float


class Rates(Protocol):
    """Fills blocks of believed click rates."""

    truth: ClickTruth
    bound: float  # no believed rate is larger
    law: Law  # by which they are drawn, where they are

    @property
    def believed(self) -> tuple[Floats32, Floats32, Floats32]:
        """Vectors and biases of ads as `rate_all` takes them, and its room; nothing where rates are drawn."""

    def correct(self, odds: Floats) -> None:
        """Takes over factors on the odds of a click as first believed, (ads,)."""

    def fill(self, first: int, users: Integers, context: Context | None, out: Floats32) -> None:
        """Believed click rates (times lift) of all ads for requests first, first + 1, ... from `users`; out: (ads, n)."""


def new_rates(
    settings: Interests | Uniform | Normal, people: People, ads: AdVectors | None, count: int, chunk: int, keys: Keys
) -> Rates:
    """The rate model that the scenario asks for, for `count` ads and blocks of `chunk` requests, under a world's keys."""
    if isinstance(settings, Interests):
        assert ads is not None
        return InterestRates(people, ads)
    return DrawnRates(settings, count, chunk, keys)


class InterestRates:
    """Click rates sigmoid(bias + user . ad)."""

    bound = 1.0
    law = Law(0, 0.0, 0.0, 0.0)

    def __init__(self, people: People, ads: AdVectors) -> None:
        self.truth = ClickTruth(people.interests, ads.vectors, ads.bias, np.empty((0, 0), np.float32))
        self._users, self._ads, self._bias = people.interests, ads.believed_vectors, ads.believed_bias
        self._first_bias = ads.believed_bias
        self._columns = np.empty(people.interests.shape[1] * WIDTH, np.float32)
        self._rate_all: Callable[..., None] | None = None  # compiled for arrays that are in memory as those of the first call

    @property
    def believed(self) -> tuple[Floats32, Floats32, Floats32]:
        """See `Rates.believed`."""
        return self._ads, self._bias, self._columns

    def correct(self, odds: Floats) -> None:
        """Takes over factors on the odds of a click as first believed, (ads,)."""
        self._bias = (self._first_bias + np.log(odds)).astype(np.float32)
        self._bias.flags.writeable = False  # as the market's is: a kernel is compiled for one of both

    def fill(self, first: int, users: Integers, context: Context | None, out: Floats32) -> None:
        """See `Rates.fill`. Raises `MarketError` if requests are no multiple of WIDTH."""
        if users.size % WIDTH:
            raise MarketError(f"requests are rated {WIDTH} at a time, not {users.size}")
        brings = NOTHING if context is None else context[1:]
        arguments = users, self._users, self._ads, self._bias, *brings, self._columns, out
        if self._rate_all is None:
            self._rate_all = entry(rate_all, *arguments)
        self._rate_all(*arguments)


class DrawnRates:
    """Rates drawn anew for every request and ad, from a uniform or normal distribution; beliefs add normal noise."""

    def __init__(self, settings: Uniform | Normal, ads: int, chunk: int, keys: Keys) -> None:
        self._keys = keys
        if isinstance(settings, Normal):
            self.law, self.bound = Law(1, settings.mean, settings.sigma, settings.belief_noise), 1.0
        else:
            self.law = Law(0, settings.low, settings.high - settings.low, settings.belief_noise)
            self.bound = settings.high + 9 * settings.belief_noise  # 52-bit normals stay within 8.6
        none = np.empty((0, 0), np.float32)
        none.setflags(write=False)  # as vectors are: kernels are compiled for one of both
        self.truth = ClickTruth(none, none, none[0:0].reshape(0), np.empty((ads, chunk), np.float32))

    @property
    def believed(self) -> tuple[Floats32, Floats32, Floats32]:
        """See `Rates.believed`."""
        return self.truth.ads, self.truth.bias, NOTHING[1]

    def correct(self, odds: Floats) -> None:
        """See `Rates.correct`. Raises `MarketError`: an ad has no rate of its own that could be learnt."""
        raise MarketError("rates that are drawn by request cannot be corrected by ad")

    def fill(self, first: int, users: Integers, context: Context | None, out: Floats32) -> None:
        """See `Rates.fill`; whatever the context, nobody's rates depend on it."""
        draw_rates(self._keys, first, *self.law, self.truth.block, out)


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) in float64, for the truth of one ad."""
    return 1.0 / (1.0 + math.exp(-x))


@kernel(nogil=True)
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


@kernel(nogil=True)
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


@kernel(nogil=True)
def rotate_ads(block: Any, first_ad: Any, even: Any, key: Any, first: Any, rate: Any, ad: Any) -> None:
    """Puts, for a share `even` (campaigns,) of the requests, any ad of a campaign in the place of the best, each as likely.

    `first` is the number of the first request; `rate` and `ad` are as `best_ads` has left them.
    """
    for k in range(rate.shape[0]):
        count = first_ad[k + 1] - first_ad[k]
        if even[k] <= 0.0 or count == 1:
            continue
        for j in range(block.shape[1]):
            u = uniform(key, first + j, k)
            if u < even[k]:  # given which, u / even[k] is uniform
                a = first_ad[k] + min(np.int64(u / even[k] * count), count - 1)
                ad[k, j] = a
                rate[k, j] = block[a, j]


@inlined
def true_click_rate(ad: Any, extra: Any, user: Any, j: Any, truth: Any) -> Any:
    """The true click rate of an ad that is shown, once seen: from vectors and `extra` log-odds, or a block of drawn rates."""
    if truth.block.size > 0:
        return np.float64(truth.block[ad, j])
    if truth.table.size > 0 and extra == 0.0:
        return truth.table[user, ad]
    return rate_of_vectors(ad, extra, user, truth.users, truth.ads, truth.bias)


@inlined
def fetch_click_rate(ad: Any, user: Any, truth: Any) -> None:
    """Has what `true_click_rate` will need brought into the processor's cache: waiting for it took longer than the rest."""
    if truth.table.size > 0:
        fetch(truth.table, user, ad)
    elif truth.users.size > 0:
        fetch(truth.users, user, 0)


@inlined
def rate_of_vectors(ad: Any, extra: Any, user: Any, users: Any, ads: Any, bias: Any) -> Any:
    """sigmoid(bias + extra + user . ad), summed in this order."""
    odds = np.float64(bias[ad]) + extra
    for d in range(ads.shape[1]):
        odds += np.float64(users[user, d]) * np.float64(ads[ad, d])
    return sigmoid(odds)


def click_table(people: People, ads: AdVectors) -> Floats:
    """True click rates of all ads for all users, (users, ads), which are sooner looked up than made; (0, 0): too many."""
    if people.interests.shape[0] * ads.vectors.shape[0] > MOST_PAIRS:
        return NO_TABLE
    table = np.empty((people.interests.shape[0], ads.vectors.shape[0]))
    fill_table(people.interests, ads.vectors, ads.bias, table)
    return table


@kernel(nogil=True)
def fill_table(users: Any, ads: Any, bias: Any, table: Any) -> None:
    """Writes the true click rate of each user and ad, as `true_click_rate` makes it."""
    for user in range(table.shape[0]):
        for ad in range(table.shape[1]):
            table[user, ad] = rate_of_vectors(ad, 0.0, user, users, ads, bias)
