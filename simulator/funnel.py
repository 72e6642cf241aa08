"""The funnel from all ads to those of an auction: recall, rough sort, fine sort, each seeing users and ads more sharply.

Recall scores every ad through a few dimensions and keeps the best of several channels; the rough sort scores those through
more, the fine sort the best of them with all that the platform believes. A stage ranks by believed worth, log click odds plus
log bid; bids are those at the last tick, as an index has them, and the auction asks for the ones of the moment. Blocks are
scored in batches of a fixed height, since a product of another height differs in the last bit. With an index recall scores
only the ads that this finds. The fine sort leaves out whoever had reached the user's frequency cap when the block was filled;
the auction looks again.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chance import Stream, generator, uniform
from .compiled import inlined, kernel
from .delivery import Funnel, Stage
from .index import Lists
from .matching import Matches
from .memory import Memory, has_seen_enough, no_memory
from .population import AdVectors, Asked, Users, sigmoid

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NOBODY = np.float32(-1e30)  # the log worth of an ad that takes no part
REACH = np.float32(40.0)  # log worth so far below the best is as good as nothing
BINS = 1024  # of the histograms by which the best are found
SAMPLED = 1024  # scores from which a first threshold is guessed
BATCH = 64  # the most requests in a batch, a divisor of every block
INDEX, POPULAR, EXPLORING, KEYWORDS = range(4)  # the channels of recall
BATCH_BYTES = 1 << 22  # of scores that are looked through together: they should stay in the cache


class StageView(NamedTuple):
    """What one stage makes of users and ads: log odds of a click = users . ads + bias."""

    dimensions: int
    ads: Floats  # (ads, dimensions)
    bias: Floats  # (ads,)


def stage_view(market_seed: int, number: int, stage: Stage, ads: AdVectors, users: Users) -> StageView:
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
    """How recall's quota is shared out among INDEX, POPULAR, EXPLORING and KEYWORDS; rounding never makes it more."""
    left, out = quota, []
    for share in (settings.popular_share, settings.exploring_share, settings.keyword_share):
        out.append(min(round(share * quota), left))
        left -= out[-1]
    return left, *out


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
    """

    def __init__(
        self, settings: Funnel, stages: tuple[StageView, StageView], ads: AdVectors, users: Users, owner: Integers,
        keys: NDArray[np.uint64], matches: Matches | None = None,
    ) -> None:  # fmt: skip
        self._users, self._keys, self._owner = users, keys, owner
        none = np.zeros(0, np.int32)
        self._matches = Matches(np.zeros(1, np.int64), none, none) if matches is None else matches
        self._recall, self._rough = stages
        self._fine = StageView(ads.believed_vectors.shape[1], ads.believed_vectors, ads.believed_bias)
        count = len(owner)
        self.batch = 1 << max(8, min(BATCH, BATCH_BYTES // 4 // count)).bit_length() - 1 if settings.index is None else BATCH
        d = self._recall.dimensions
        self._index = np.empty((d + 1, count), np.float32)  # the last row: bias and log bid
        self._index[:d] = self._recall.ads.T
        self._asks = np.ones((self.batch, d + 1), np.float32)
        self._people = np.zeros((self.batch, users.interests.shape[1]), np.float32)
        nothing, alike = np.full(self.batch, -1), np.zeros(self.batch, np.float32)
        self._unseen = Seen(no_memory(int(owner.max()) + 1), np.zeros(self.batch, np.int64))
        self._unasked = Asked(nothing, np.zeros((0, 0), np.float32), alike, alike + 1)
        self._scores = np.empty((self.batch, count if settings.index is None else 0), np.float32)
        self._worth = np.zeros(count, np.float32)  # bid per click at the last tick
        self._offset = np.empty(count, np.float32)  # its log
        self._fresh = np.flatnonzero(ads.new) if ads.new.any() else np.arange(count)
        self._tier = users.tier
        levels = [settings.levels_of(tier) for tier in range(int(users.tier.max()) + 1)]
        self._quotas = np.zeros((len(levels), max(map(len, levels)), 3), np.int64)  # levels that a tier lacks pass nothing
        for tier, its in enumerate(levels):
            self._quotas[tier, : len(its)] = [(q.recall, q.rough, q.fine) for q in its]
        self._full = self._quotas[:, :1].copy()
        rows = self._quotas[:, :, 2].max(axis=0)
        rows[0] = max(rows[0], 1)  # a block without rows is one of a market without a funnel
        self.first_row = np.concatenate([[0], np.cumsum(rows)])
        most = np.minimum(self._quotas[:, 0, 0], count)
        self._channels = np.array([channels(settings, int(full)) for full in most], np.int64)
        self._popular = np.empty((len(levels), int(self._channels[:, 1].max())), np.int64)
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
        cached = int(self._quotas[:, :, 2].max(where=self._quotas[:, :, 0] == 0, initial=0))
        self._cached_ad, self._cached_rate = np.zeros((segments, cached), np.int64), np.zeros((segments, cached), np.float32)
        if cached:
            sums = np.add.reduceat(users.interests, users.segment_start[:-1], axis=0, dtype=np.float64)
            self._typical = (sums / np.diff(users.segment_start)[:, None]).astype(np.float32)
        self._passed = np.zeros((self._quotas.shape[1], 3), np.int64)
        self.refresh(np.zeros(int(owner.max()) + 1, np.float32))  # nobody has bid yet

    def refresh(self, live: Floats) -> None:
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

    def _cache(self) -> None:
        """What a typical user of each segment would be shown."""
        odds = self._typical @ self._fine.ads.T + self._fine.bias
        for segment, (row, worth) in enumerate(zip(odds, odds + self._offset, strict=True)):
            order = np.argsort(-worth, kind="stable")
            order = order[worth[order] > NOBODY / 2]
            _, first = np.unique(self._owner[order], return_index=True)  # one ad of each campaign
            best = order[np.sort(first)][: self._cached_ad.shape[1]]
            self._cached_ad[segment, : best.size] = best
            self._cached_rate[segment] = 0
            self._cached_rate[segment, : best.size] = 1 / (1 + np.exp(-row[best]))

    def fill(
        self, first: int, start: int, users: Integers, asked: Asked | None, rate: Floats, ad: Integers, who: Integers,
        seen: Seen | None = None,
    ) -> None:  # fmt: skip
        """Candidates of the requests of a block from place `start` on; rows of `rate`, `ad` and `who`, columns by place.

        `users` are those of the whole block, `asked` what they ask, `seen` what they have seen (None: nothing).
        """
        for low in range(start // self.batch * self.batch, users.size, self.batch):
            batch = slice(low, low + self.batch)
            asks, remembers = None if asked is None else asked.part(batch), None if seen is None else seen.part(batch)
            skip, block = max(start - low, 0), (rate, ad, who)
            self._pass(first + low, skip, low, users[batch], asks, remembers, self._quotas, *block, self._passed)

    def trace(self, number: int, user: int, asked: Asked | None = None, seen: Seen | None = None) -> Trace:
        """The way of one request through the full quotas of its tier, with the index as it is; for judges.

        `asked` and `seen` are of this one request.
        """
        rows, scratch, passed = int(self.first_row[1]), self._scratch, np.zeros((1, 3), np.int64)
        rate, ad, who = np.zeros((rows, 1), np.float32), np.zeros((rows, 1), np.int64), np.zeros((rows, 1), np.int64)
        self._pass(number, 0, 0, np.array([user]), asked, seen, self._full, rate, ad, who, passed)
        recalled, kept, shown = passed[0]
        scores = self._scores[0] if self._lists is None else self._asks[0] @ self._index
        return Trace(
            scores.copy(), scratch.ad[:recalled].copy(), scratch.rough[:recalled].copy(), scratch.chosen[:kept].copy(),
            ad[:shown, 0],
        )  # fmt: skip

    def _pass(
        self, first: int, skip: int, column: int, users: Integers, asked: Asked | None, seen: Seen | None, quotas: Integers,
        rate: Floats, ad: Integers, who: Integers, passed: Integers,
    ) -> None:  # fmt: skip
        """Scores one batch of users, or a single user, against the index and winnows; see `winnow`."""
        people = self._people
        people[: users.size] = self._users.interests[users]
        if asked is not None:
            people[: users.size] += asked.vectors
        self._asks[:, :-1] = people[:, : self._recall.dimensions]
        if self._lists is None:
            np.matmul(self._asks, self._index, out=self._scores)
        else:
            self._lists.search(self._asks[:, :-1], self._nearest)
        winnow(
            first, skip, column, users, people, asked or self._unasked, seen or self._unseen, self._matches, self._keys,
            self._scores, self._nearest, self._popular, self._fresh, self._channels, quotas, self.first_row, self._recall,
            self._rough, self._fine, self._offset, self._owner,
            self._users.segment, self._tier, self._cached_ad, self._cached_rate, self._scratch, rate, ad, who, passed,
        )  # fmt: skip


class Trace(NamedTuple):
    """What became of the ads on the way to one request's auction."""

    recall_score: Floats  # (ads,) of all, as recall sees them
    recalled: Integers  # ads that left recall
    rough_score: Floats  # of those, by the rough sort
    sorted: Integers  # ads that left the rough sort
    shown: Integers  # ads that left the fine sort


class Scratch(NamedTuple):
    """Room to work in; a stamp says for which piece of work an entry was last used, so that nothing need be cleared."""

    place: NDArray[np.int32]
    value: Floats
    bins: NDArray[np.int32]
    ad: Integers  # recalled
    recall: Floats  # and their scores
    rough: Floats
    chosen: Integers
    score: Floats
    click: Floats
    matched: Floats  # scores of ads whose keywords match
    stamp: Integers  # (ads,)
    owner_stamp: Integers  # (campaigns,)
    owner_best: Integers  # (campaigns,) the best of its ads among those chosen; -1: its user has seen enough of it
    serial: Integers  # (1,)


@inlined
def compact(score: Any, size: Any, least: Any, place: Any, value: Any) -> Any:
    """Writes the places and values of all scores above `least`, without a branch; returns how many."""
    found = np.int64(0)
    for i in range(size):
        place[found], value[found] = i, score[i]
        found += np.int64(score[i] > least)
    return found


@inlined
def bin_of(x: Any, low: Any, scale: Any) -> Any:
    """The bin of a histogram; all that lies below it counts to its first."""
    return np.int32((max(x, low) - low) * scale)


@inlined
def guess(score: Any, size: Any, wanted: Any, count: Any) -> Any:
    """A score that a few more than `wanted` exceed, from a sample of them."""
    stride = max(1, size // SAMPLED)
    high = NOBODY
    for i in range(0, size, stride):
        high = max(high, score[i])
    low, sampled = high - REACH, 0
    scale = np.float32(BINS - 1) / REACH
    count[:] = 0
    for i in range(0, size, stride):
        count[bin_of(min(score[i], high), low, scale)] += 1
        sampled += 1
    enough = np.int64(1.3 * sampled * wanted / size) + 4
    place, met = BINS - 1, np.int64(count[BINS - 1])
    while met < enough and place > 0:
        place -= 1
        met += count[place]
    return low + np.float32(place) / scale if place > 0 else NOBODY


@inlined
def best_of(score: Any, size: Any, wanted: Any, place: Any, value: Any, count: Any) -> Any:
    """Finds the `wanted` largest of the first `size` scores that are above `NOBODY`: their places and values, in no order.

    Returns how many there are. `place` and `value` need room for 2 x `size`. A threshold guessed from a sample leaves few to
    look at; a histogram of those finds the bin in which the last place lies, and only that bin is sorted.
    """
    least = guess(score, size, wanted, count) if size > 4 * wanted or size > SAMPLED else NOBODY
    found = compact(score, size, least, place, value)
    if found < wanted and least > NOBODY:
        found = compact(score, size, NOBODY, place, value)
    if found <= wanted:
        return found
    low, high = value[0], value[0]
    for i in range(found):
        low, high = min(low, value[i]), max(high, value[i])
    low = max(low, high - REACH)
    scale = np.float32(BINS - 1) / max(high - low, np.float32(1e-6))
    count[:] = 0
    for i in range(found):
        count[bin_of(value[i], low, scale)] += 1
    edge, above = BINS - 1, np.int64(0)
    while above + count[edge] < wanted:
        above += count[edge]
        edge -= 1
    missing, kept, last = wanted - above, np.int64(0), found  # behind `found` the best of the edge's bin, sorted
    for i in range(found):
        x, whose = value[i], place[i]
        its = bin_of(x, low, scale)
        if its == edge:
            j = last
            while j > found and value[j - 1] < x:
                value[j], place[j] = value[j - 1], place[j - 1]
                j -= 1
            value[j], place[j] = x, whose
            last = min(last + 1, found + missing)
        value[kept], place[kept] = x, whose
        kept += np.int64(its > edge)
    for i in range(missing):
        value[kept + i], place[kept + i] = value[found + i], place[found + i]
    return wanted


@inlined
def product(one: Any, other: Any) -> Any:
    """The inner product of two vectors, of the length of the second."""
    total = np.float32(0)
    for i in range(other.size):
        total += one[i] * other[i]
    return total


@inlined
def merge(
    number: Any, scores: Any, nearest: Any, person: Any, query: Any, matches: Any, recall: Any, popular: Any, fresh: Any,
    channels: Any, keys: Any, offset: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Recall: the ads of all channels under their quotas, each once; returns how many.

    The best by all scores first, or where there are none the nearest by the index; then those whose keywords match the query;
    popular ones, whoever asks; and some drawn among the new (or all, if none is).
    """
    scratch.serial[0] += 1
    serial, found = scratch.serial[0], np.int64(0)
    if scores.size > 0:
        found = best_of(scores, scores.size, channels[0], scratch.place, scratch.value, scratch.bins)
        for i in range(found):
            a = np.int64(scratch.place[i])
            scratch.ad[i], scratch.recall[i], scratch.stamp[a] = a, scratch.value[i], serial
    else:
        for i in range(min(channels[0], nearest.size)):
            if nearest[i] >= 0:
                found = add(nearest[i], serial, scores, person, recall, offset, scratch, found)
    if query >= 0 and channels[KEYWORDS] > 0:
        low = matches.first[query]
        size = matches.first[query + 1] - low
        for i in range(size):
            a = np.int64(matches.ad[low + i])
            scratch.matched[i] = score_of(a, scores, person, recall, offset)
        kept = best_of(scratch.matched, size, channels[KEYWORDS], scratch.place, scratch.value, scratch.bins)
        for i in range(kept):
            a = np.int64(matches.ad[low + scratch.place[i]])
            found = add(a, serial, scores, person, recall, offset, scratch, found)
    for i in range(channels[POPULAR]):
        found = add(popular[i], serial, scores, person, recall, offset, scratch, found)
    for i in range(channels[EXPLORING]):
        drawn = fresh[np.int64(uniform(keys[Stream.EXPLORE], number, i) * fresh.size)]
        found = add(drawn, serial, scores, person, recall, offset, scratch, found)
    return found


@inlined
def score_of(a: Any, scores: Any, person: Any, recall: Any, offset: Any) -> Any:
    """What recall makes of an ad."""
    return scores[a] if scores.size > 0 else product(person, recall.ads[a]) + recall.bias[a] + offset[a]


@inlined
def add(a: Any, serial: Any, scores: Any, person: Any, recall: Any, offset: Any, scratch: Any, found: Any) -> Any:
    """One more recalled ad, unless it is there already or takes no part."""
    if scratch.stamp[a] == serial or offset[a] <= NOBODY:
        return found
    score = score_of(a, scores, person, recall, offset)
    scratch.ad[found], scratch.recall[found], scratch.stamp[a] = a, score, serial
    return found + 1


@kernel(fastmath={"contract", "reassoc"})
def winnow(
    first: Any, skip: Any, column: Any, users: Any, people: Any, asked: Any, seen: Any, matches: Any, keys: Any, scores: Any,
    nearest: Any, popular: Any, fresh: Any, channels: Any, quotas: Any, first_row: Any, recall: Any, rough: Any, fine: Any,
    offset: Any, owner: Any, segment: Any, tiers: Any, cached_ad: Any, cached_rate: Any, scratch: Any, rate: Any, ad: Any,
    who: Any, passed: Any,
) -> None:  # fmt: skip
    """The funnel of a batch of requests, from their recall scores (requests, ads) to the rows of their auctions.

    Where an index has found the `nearest` ads (requests, recalled), -1 behind them, there are no scores: shape (requests, 0).
    `people` are users' interests and what they ask. The first `skip` requests are left as they are. Lower levels of quotas are
    given what the full one recalled. `popular`, `channels` (T, 4) and `quotas` (T, levels, 3) differ between traffic tiers;
    `tiers` are those of user segments.
    """
    for j in range(skip, users.size):
        person, home, lift = people[j], segment[users[j]], asked.lift[j]
        tier = tiers[home]
        quota, recalled = quotas[tier], 0
        if quota[0, 0] > 0:
            recalled = merge(
                first + j, scores[j], nearest[j], person, asked.query[j], matches, recall, popular[tier], fresh, channels[tier],
                keys, offset, scratch,
            )  # fmt: skip
        for i in range(recalled):
            a = scratch.ad[i]
            scratch.rough[i] = product(person, rough.ads[a]) + rough.bias[a] + offset[a]
        for level in range(quota.shape[0]):
            rows = first_row[level + 1] - first_row[level]
            if quota[level, 0] == 0:
                for i in range(rows):
                    row = first_row[level] + i
                    rate[row, column + j] = 0
                    if i < quota[level, 2]:
                        a, click = cached_ad[home, i], np.float64(cached_rate[home, i])
                        likelier = click * math.exp(asked.odds[j])
                        rate[row, column + j] = np.float32(likelier / (1.0 - click + likelier)) * lift
                        ad[row, column + j], who[row, column + j] = a, owner[a]
                        passed[level, 2] += cached_rate[home, i] > 0
                continue
            kept = rough_sort(recalled, level, quota, scratch)
            shown = fine_sort(kept, person, users[j], j, asked.odds[j], seen, fine, offset, owner, quota[level, 2], scratch)
            passed[level, 0] += min(recalled, quota[level, 0])
            passed[level, 1] += kept
            passed[level, 2] += shown
            for i in range(rows):
                row = first_row[level] + i
                if i < shown:
                    n = scratch.place[i]
                    a = scratch.chosen[n]
                    rate[row, column + j] = scratch.click[n] * lift
                    ad[row, column + j], who[row, column + j] = a, owner[a]
                else:
                    rate[row, column + j] = 0


@inlined
def rough_sort(recalled: Any, level: Any, quotas: Any, scratch: Any) -> Any:
    """Leaves in `chosen` the best of what is recalled under a level's quotas; returns how many."""
    score, pool = scratch.rough, recalled
    if quotas[level, 0] < recalled:
        pool = best_of(scratch.recall, recalled, quotas[level, 0], scratch.place, scratch.value, scratch.bins)
        for i in range(pool):
            scratch.chosen[i] = scratch.place[i]
        for i in range(pool):
            scratch.score[i] = scratch.rough[scratch.chosen[i]]
        score = scratch.score
    kept = best_of(score, pool, quotas[level, 1], scratch.place, scratch.value, scratch.bins)
    if pool < recalled:
        for i in range(kept):
            scratch.place[i] = np.int32(scratch.chosen[scratch.place[i]])
    for i in range(kept):
        scratch.chosen[i] = scratch.ad[scratch.place[i]]
    return kept


@inlined
def fine_sort(
    kept: Any, person: Any, user: Any, j: Any, odds: Any, seen: Any, fine: Any, offset: Any, owner: Any, quota: Any,
    scratch: Any,
) -> Any:  # fmt: skip
    """Leaves in `place` where among `chosen` the best stand, one of each campaign, `click` being their rates."""
    scratch.serial[0] += 1
    serial, campaigns = scratch.serial[0], scratch.owner_stamp.size
    for i in range(kept):
        a = scratch.chosen[i]
        click = np.float32(sigmoid(product(person, fine.ads[a]) + fine.bias[a] + odds))
        scratch.click[i], scratch.score[i] = click, math.log(click) + offset[a]
        k = owner[a]
        if scratch.owner_stamp[k] != serial:
            enough = has_seen_enough(user, k, campaigns, seen.times[j], seen.memory)
            scratch.owner_stamp[k], scratch.owner_best[k] = serial, -1 if enough else i
            if enough:
                scratch.score[i] = NOBODY
            continue
        best = scratch.owner_best[k]
        if best < 0:
            scratch.score[i] = NOBODY
            continue
        better = click > scratch.click[best]
        scratch.score[best if better else i] = NOBODY
        if better:
            scratch.owner_best[k] = i
    return best_of(scratch.score, kept, quota, scratch.place, scratch.value, scratch.bins)
