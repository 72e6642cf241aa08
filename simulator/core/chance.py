"""Chance as a function: every random outcome is a pure function of (seed, stream, request, whose it is).

No generator travels through the hot loop and none is global, so the click that *would* have happened under another
policy exists, and two policies compared under one seed meet the same luck (common random numbers).
"""

from __future__ import annotations

import hashlib
import math
from enum import IntEnum, unique
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Integers
from .compiled import inlined, kernel


@unique
class Stream(IntEnum):
    """What a draw is for. Two things never share a stream; the order is part of every seed's meaning."""

    GAP = 0  # unit-rate exponential gap before a request
    SEGMENT = 1  # which segment the request comes from
    USER = 2  # which user of the segment
    EXPOSURE = 3  # is the next slot seen
    CLICK = 4
    CONVERSION = 5
    DELAY = 6  # from click to conversion
    RATE = 7  # true rates of a market of drawn values
    BELIEF = 8  # what the platform's estimate adds to them
    TRAFFIC = 9  # the weather of a day's traffic
    DEMAND = 10  # the weather of a day's bids
    POPULATION = 11  # who the users are
    CAMPAIGNS = 12  # who advertises
    SAMPLE = 13  # the requests on which a market is calibrated
    POLICY = 14  # a policy's own dice
    SERVICE = 15  # how long a server works on a request
    NETWORK = 16  # how long its answer travels
    EXPLORE = 17  # which new ads recall tries
    STAGE = 18  # what a stage of the funnel takes ads for
    QUERY = 19  # which query a request asks
    VOCABULARY = 20  # what queries and keywords there are
    LENGTH = 21  # is there another request in a session
    DWELL = 22  # how long its user watches before that
    VISIT = 23  # does a satisfied user come
    LEAVE = 24  # does a bored user leave
    CONTENT = 25  # what the videos around a request are worth
    FORM = 26  # does a form open that is not submitted
    QUALIFIED = 27  # is a lead that was submitted qualified
    SALE = 28  # does a qualified lead buy
    ORGANIC = 29  # does a user convert on a day without any ad
    QUALIFIED_DELAY = 30  # from submit to the word that the lead is qualified
    SALE_DELAY = 31  # from there to the sale
    CREATIVE = 32  # which creative a request shows
    CREATIVES = 33  # what creatives there are
    SURFACE = 34  # on which surface a request is made
    LOG = 35  # of which requests the candidates are logged
    WORTH = 36  # the weather of what requests of a tier are worth
    OUTAGE = 37  # which servers fail, and when
    PARTICIPATION = 38  # which requests a throttled campaign sits out
    PATIENCE = 39  # how users bear ads
    MOOD = 40  # what a request is worth
    ALLOCATION = 41  # which places of a page carry ads, where a policy leaves that to chance
    PAGE_END = 42  # does an ad end its page
    BUCKET = 43  # in which bucket of an experiment a user is
    AUDITION = 44  # what rules that choose creatives may use as dice
    NEWCOMERS = 45  # how popular ads without a history are, where that is drawn by run
    RANKING = 46  # what a ranking draws of its beliefs of ads (Thompson)
    CONTENT_OF_ADS = 47  # what ads look like
    TURN = 48  # which of its ads a campaign shows, whatever is believed of them


_NAMES = [str(int(stream)).encode() for stream in Stream]


def stream_keys(seed: int) -> NDArray[np.uint64]:
    """One 64-bit key for each stream, shape (streams,), by BLAKE2b of seed and stream."""
    begun, digests = hashlib.blake2b(f"{seed}/".encode(), digest_size=8), []
    for name in _NAMES:
        whole = begun.copy()
        whole.update(name)
        digests.append(whole.digest())
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def generator(seed: int, stream: Stream, *whose: int) -> np.random.Generator:
    """A NumPy generator for draws made in bulk (a population, the weather of day `whose`), a function of its arguments."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, int(stream), *whose])))


def autoregression(correlation: float, innovations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The process x[t] = correlation x[t - 1] + innovations[t] from x[-1] = 0, along the first axis."""
    out = np.array(innovations, np.float64, order="C")
    _carry_over(correlation, out.reshape(len(out), -1))
    return out


@kernel()
def _carry_over(correlation: Any, x: Any) -> None:
    """Adds to each row of x so much of the one before, as that has become."""
    for t in range(1, x.shape[0]):
        for n in range(x.shape[1]):
            x[t, n] += correlation * x[t - 1, n]


@inlined
def mix(x: Any) -> Any:
    """The 64-bit finaliser of SplitMix64 (Steele, Lea & Flood 2014; Stafford's variant 13)."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inlined
def uniform(key: Any, request: Any, whose: Any) -> Any:
    """A float64 strictly inside (0, 1): two rounds of `mix`, one over the request, one over whose draw it is."""
    x = mix(key + np.uint64(request) * np.uint64(0x9E3779B97F4A7C15))
    x = mix(x + np.uint64(whose) * np.uint64(0xD1B54A32D192ED03))
    return (np.float64(x >> np.uint64(12)) + 0.5) * (1.0 / 4503599627370496.0)


@kernel()
def uniforms(key: Any, first: Any, count: Any, whose: Any, out: Any) -> None:
    """Fills out[j] with the draw of request first + j, for `whose`."""
    for j in range(count):
        out[j] = uniform(key, first + j, whose)


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


@inlined
def normal_draw(key: Any, request: Any, whose: Any) -> Any:
    """A standard normal by Box and Muller, from the draws of `whose` and `whose + 1`."""
    radius = math.sqrt(-2.0 * math.log(uniform(key, request, whose)))
    return radius * math.cos(2.0 * math.pi * uniform(key, request, whose + 1))
