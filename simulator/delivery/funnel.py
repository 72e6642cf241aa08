"""The funnel from all ads to those of an auction: recall, rough sort, fine sort, each seeing users and ads more sharply.

Recall scores every ad through a few dimensions and keeps the best of several channels; the rough sort scores those through
more, the fine sort the best of them with all that the platform believes. A stage ranks by believed worth, log click odds plus
log bid; bids are those at the last tick, as an index has them, and the auction asks for the ones of the moment. Blocks are
scored in batches of a fixed height, since a product of another height differs in the last bit. With an index recall scores
only the ads that this finds. The fine sort leaves out whoever had reached the user's frequency cap when the block was filled;
the auction looks again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats32, Integers
from ..population.ads import AdVectors
from ..population.rates import Context
from ..population.users import People
from ..requests.matching import Matches
from ..response.memory import Memory, no_memory
from ..scenario.delivery import Funnel
from .best import BINS, NOBODY
from .index import Lists
from .quotas import Ladders
from .stages import StageView, channels
from .winnow import winnow

BATCH = 64  # requests whose candidates are found together, in one batch or in several; a divisor of every block
CACHED_DEPTH = 32  # so many ads for each that is cached are looked at
BATCH_BYTES = 1 << 22  # of scores that are looked through together: they should stay in the cache


class Seen(NamedTuple):
    """What users remember, and when each of a batch asks."""

    memory: Memory
    times: Integers  # (n,) microseconds

    def part(self, batch: slice) -> Seen:
        """Of some of them."""
        return Seen(self.memory, self.times[batch])


class Winnow:
    """Fills blocks with the candidates of each request's auction; one of an exchange, since its index follows the bids.

    Rows of a block are candidates: for each level of quotas as many as its fine sort passes, in the tier where it passes most.
    `quotas` (T, levels, 3) are those in force.
    """

    def __init__(
        self, settings: Funnel, stages: tuple[StageView, StageView], ads: AdVectors, users: People, owner: Integers,
        keys: NDArray[np.uint64], matches: Matches | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._users, self._keys, self._owner = settings, users, keys, owner
        none = np.zeros(0, np.int32)
        self._matches = Matches(np.zeros(1, np.int64), none, none) if matches is None else matches
        self._recall, self._rough = stages
        self._fine = StageView(ads.believed_vectors.shape[1], ads.believed_vectors, ads.believed_bias)
        count = len(owner)
        self.batch = 1 << max(8, min(BATCH, BATCH_BYTES // 4 // count)).bit_length() - 1 if settings.index is None else BATCH
        d = self._recall.dimensions
        self._index = np.empty((d + 1, count), np.float32)  # the last row: bias and log bid
        self._index[:d] = self._recall.ads.T
        self._wanted = np.ones((self.batch, d + 1), np.float32)
        self._people = np.zeros((self.batch, users.interests.shape[1]), np.float32)
        nothing, alike = np.full(self.batch, -1), np.zeros(self.batch, np.float32)
        self._unseen = Seen(no_memory(int(owner.max()) + 1), np.zeros(self.batch, np.int64))
        self._plain = Context(nothing, np.zeros((0, 0), np.float32), alike, alike + 1)
        self._scores = np.empty((self.batch, count if settings.index is None else 0), np.float32)
        self._worth = np.zeros(count, np.float32)  # bid per click at the last tick
        self._offset = np.empty(count, np.float32)  # its log
        self._fresh = np.flatnonzero(ads.new) if ads.new.any() else np.arange(count)
        self._tier = users.tier
        ladders = Ladders.of(settings, int(users.tier.max()) + 1)
        self.quotas = ladders.quotas  # levels that a tier lacks pass nothing
        rows = self.quotas[:, :, 2].max(axis=0)
        rows[0] = max(rows[0], 1)  # a block without rows is one of a market without a funnel
        self.first_row = np.concatenate([[0], np.cumsum(rows)])
        most = np.minimum(self.quotas[:, 0, 0], count)
        self._channels = np.array([channels(settings, int(full)) for full in most], np.int64)
        self._popular = np.empty((len(most), int(self._channels[:, 1].max())), np.int64)
        self._lists: Lists | None = None
        if settings.index is not None:
            self._lists = Lists(settings.index, self._recall.ads, users.interests[:, :d])
        self._nearest = np.empty((self.batch, 0 if self._lists is None else int(self._channels[:, 0].max())), np.int64)
        full = int(most.max())
        room = 2 * count + 8
        self._scratch = Scratch(
            place=np.empty(room, np.int32), value=np.empty(room, np.float32), bins=np.zeros(BINS, np.int32),
            ad=np.empty(full + 8, np.int64), recall=np.empty(full + 8, np.float32), rough=np.empty(full + 8, np.float32),
            chosen=np.empty(full + 8, np.int64), score=np.empty(full + 8, np.float32), click=np.empty(full + 8, np.float32),
            matched=np.empty(int(np.diff(self._matches.first).max(initial=0)) + 8, np.float32),
            stamp=np.full(count, -1, np.int64), owner_stamp=np.full(int(owner.max()) + 1, -1, np.int64),
            owner_best=np.empty(int(owner.max()) + 1, np.int64), serial=np.zeros(1, np.int64),
        )  # fmt: skip
        segments = len(users.segment_start) - 1
        cached = ladders.cached
        self._cached_ad, self._cached_rate = np.zeros((segments, cached), np.int64), np.zeros((segments, cached), np.float32)
        if cached:
            sums = np.add.reduceat(users.interests, users.segment_start[:-1], axis=0, dtype=np.float64)
            self._typical = (sums / np.diff(users.segment_start)[:, None]).astype(np.float32)
        self._passed = np.zeros((self.quotas.shape[1], 3), np.int64)
        self.refresh(np.zeros(int(owner.max()) + 1, np.float32))  # nobody has bid yet

    def refresh(self, live: Floats32) -> None:
        """Takes over what campaigns bid for a click now, (campaigns,); 0 takes no part."""
        np.take(live, self._owner, out=self._worth)
        self._offset[:] = NOBODY
        np.log(self._worth, out=self._offset, where=self._worth > 0)
        np.add(self._recall.bias, self._offset, out=self._index[-1])
        if self._lists is not None:
            self._lists.refresh(self._index[-1], self._worth > 0)
        for popular, size in zip(self._popular, self._channels[:, 1], strict=True):
            if size:
                best = np.argpartition(-(self._fine.bias + self._offset), size - 1)[:size]
                popular[:size] = np.sort(best)
        if self._cached_ad.size:
            self._cache()

    def set_quotas(self, tier: int, quotas: Integers) -> None:
        """Other quotas (levels, 3) of a tier, no larger than the settings', for candidates found after the next `refresh`."""
        self.quotas[tier, : len(quotas)] = quotas
        self._channels[tier] = channels(self._settings, min(int(quotas[0, 0]), len(self._owner)))

    def _cache(self) -> None:
        """What a typical user of each segment would be shown."""
        odds = self._typical @ self._fine.ads.T + self._fine.bias
        for segment, (row, worth) in enumerate(zip(odds, odds + self._offset, strict=True)):
            # Of campaigns with many ads more than one may lie among the best, and only one is shown.
            most = min(CACHED_DEPTH * self._cached_ad.shape[1], worth.size)
            order = np.argpartition(-worth, most - 1)[:most] if most < worth.size else np.arange(worth.size)
            order = order[np.lexsort((order, -worth[order]))]
            order = order[worth[order] > NOBODY / 2]
            _, first = np.unique(self._owner[order], return_index=True)  # one ad of each campaign
            best = order[np.sort(first)][: self._cached_ad.shape[1]]
            self._cached_ad[segment, : best.size] = best
            self._cached_rate[segment] = 0
            self._cached_rate[segment, : best.size] = 1 / (1 + np.exp(-row[best]))

    def fill(
        self, first: int, start: int, users: Integers, context: Context | None, rate: Floats32, ad: Integers, who: Integers,
        seen: Seen | None = None, end: int | None = None,
    ) -> None:  # fmt: skip
        """Candidates of the requests of a block from place `start` on; rows of `rate`, `ad` and `who`, columns by place.

        `users` are those of the whole block, `context` what comes with them, `seen` what they have seen (None: nothing). `end`
        is a multiple of BATCH at which to stop; None: the block's.
        """
        for low in range(start // self.batch * self.batch, users.size if end is None else end, self.batch):
            batch = slice(low, low + self.batch)
            about, remembers = None if context is None else context.part(batch), None if seen is None else seen.part(batch)
            skip, block = max(start - low, 0), (rate, ad, who)
            self._pass(first + low, skip, low, users[batch], about, remembers, self.quotas, *block, self._passed)

    def trace(self, number: int, user: int, context: Context | None = None, seen: Seen | None = None) -> Trace:
        """The way of one request through the full quotas of its tier, with the index as it is; for judges.

        `context` and `seen` are of this one request.
        """
        rows, scratch, passed = int(self.first_row[1]), self._scratch, np.zeros((1, 3), np.int64)
        rate, ad, who = np.zeros((rows, 1), np.float32), np.zeros((rows, 1), np.int64), np.zeros((rows, 1), np.int64)
        self._pass(number, 0, 0, np.array([user]), context, seen, self.quotas[:, :1].copy(), rate, ad, who, passed)
        recalled, kept, shown = passed[0]
        scores = self._scores[0] if self._lists is None else self._wanted[0] @ self._index
        return Trace(
            scores.copy(), scratch.ad[:recalled].copy(), scratch.rough[:recalled].copy(), scratch.chosen[:kept].copy(),
            ad[:shown, 0],
        )  # fmt: skip

    def _pass(
        self, first: int, skip: int, column: int, users: Integers, context: Context | None, seen: Seen | None, quotas: Integers,
        rate: Floats32, ad: Integers, who: Integers, passed: Integers,
    ) -> None:  # fmt: skip
        """Scores one batch of users, or a single user, against the index and winnows; see `winnow`."""
        people = self._people
        people[: users.size] = self._users.interests[users]
        if context is not None:
            people[: users.size] += context.vectors
        self._wanted[:, :-1] = people[:, : self._recall.dimensions]
        if self._lists is None:
            np.matmul(self._wanted, self._index, out=self._scores)
        else:
            self._lists.search(self._wanted[:, :-1], self._nearest)
        winnow(
            first, skip, column, users, people, context or self._plain, seen or self._unseen, self._matches, self._keys,
            self._scores, self._nearest, self._popular, self._fresh, self._channels, quotas, self.first_row, self._recall,
            self._rough, self._fine, self._offset, self._owner,
            self._users.segment, self._tier, self._cached_ad, self._cached_rate, self._scratch, rate, ad, who, passed,
        )  # fmt: skip


class Trace(NamedTuple):
    """What became of the ads on the way to one request's auction."""

    recall_score: Floats32  # (ads,) of all, as recall sees them
    recalled: Integers  # ads that left recall
    rough_score: Floats32  # of those, by the rough sort
    sorted: Integers  # ads that left the rough sort
    shown: Integers  # ads that left the fine sort


class Scratch(NamedTuple):
    """Room to work in; a stamp says for which piece of work an entry was last used, so that nothing need be cleared."""

    place: NDArray[np.int32]
    value: Floats32
    bins: NDArray[np.int32]
    ad: Integers  # recalled
    recall: Floats32  # and their scores
    rough: Floats32
    chosen: Integers
    score: Floats32
    click: Floats32
    matched: Floats32  # scores of ads whose keywords match
    stamp: Integers  # (ads,)
    owner_stamp: Integers  # (campaigns,)
    owner_best: Integers  # (campaigns,) the best of its ads among those chosen; -1: its user has seen enough of it
    serial: Integers  # (1,)
