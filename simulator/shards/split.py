"""Users split over shards by hash, and the traffic that is theirs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..core.arrays import Integers
from ..core.chance import alias_table, uniforms
from ..core.errors import MarketError
from ..population.users import People, activity
from ..requests.traffic import WHOLE, Share

ROOM = 1 << 40  # requests that a shard can number: none has the number of another's


def shard_of(users: int, shards: int) -> Integers:
    """The shard of each user, (users,), a hash of the user's number alone."""
    draws = np.empty(users)
    uniforms(np.uint64(0), 0, users, 0, draws)
    return (draws * shards).astype(np.int64)


def check(users: int, shards: int) -> None:
    """Raises `MarketError` if a shard would have no users."""
    if not np.bincount(shard_of(users, shards), minlength=shards).all():
        raise MarketError(f"{users} users are too few for {shards} shards: one would have none")


def part(people: People, shards: int, number: int) -> tuple[People, Share]:
    """The users of a shard, as requests find them, and their share of the traffic. One shard has all, as the market has them;
    with another number than 0 it has other luck.

    A Poisson process whose points are told apart by their user falls into independent Poisson processes, of intensities that
    go by the users' activities (Kingman 1993, section 5.1): what all shards draw together is distributed as what the whole
    market draws. Arrays over users stay those of the market.
    """
    if shards == 1:
        return people, Share(WHOLE.of, number * ROOM)
    segments, weight = people.segment_start.size - 1, activity(people)
    own = np.where(shard_of(weight.size, shards) == number, weight, 0.0)
    held = np.bincount(people.segment, own, segments) / np.bincount(people.segment, weight, segments)
    shares = np.diff(people.segment_share, axis=1, prepend=0.0) * held
    whole = shares.sum(axis=1)
    cumulative = np.cumsum(shares, axis=1) / whole[:, None]
    cumulative[:, int(np.flatnonzero(held)[-1]) :] = 1.0  # whatever rounding has made of it
    share, other = people.alias_share.copy(), people.alias_user.copy()
    for low, high in pairwise(people.segment_start):
        if own[low:high].any():
            share[low:high], other[low:high] = alias_table(own[low:high])
            other[low:high] += low
    for array in (cumulative, share, other):  # as the market's are: kernels are compiled for such
        array.flags.writeable = False
    found = people._replace(segment_share=cumulative, alias_share=share, alias_user=other)
    return found, Share(whole, number * ROOM)
