"""The funnel from all ads to those of an auction: recall, rough sort, fine sort, each seeing users and ads more sharply.

Recall scores every ad through a few dimensions and keeps the best of several channels; the rough sort scores those through
more, the fine sort the best of them with all that the platform believes. A stage ranks by believed worth, log click odds plus
log bid; bids are those at the last tick, as an index has them, and the auction asks for the ones of the moment. Blocks are
scored in batches of a fixed height, since a product of another height differs in the last bit. With an index recall scores
only the ads that this finds. The fine sort leaves out whoever had reached the user's frequency cap when the block was filled;
the auction looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.addressed import Addressed
from ..core.arrays import Floats, Floats32, Integers
from ..core.compiled import entry
from ..core.errors import MarketError
from ..population.ads import AdVectors
from ..population.rates import Context
from ..population.users import People
from ..requests.matching import Matches
from ..response.memory import Memory, no_memory
from ..scenario.delivery import Funnel
from .best import NOBODY, room_for
from .index import Lists
from .models import STAGES, Batch, Correction, RateModel, asked, log_odds
from .quotas import Ladders
from .stages import Channel, StageView, channels
from .winnow import most_worth, recalled_ads, sorted_ads, winnow

BATCH = 64  # requests whose candidates are found together, in one batch or in several; a divisor of every block
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
        self._settings, self._users = settings, users
        none, count, campaigns = np.zeros(0, np.int32), len(owner), int(owner.max()) + 1
        recall, rough = stages
        fine = StageView(ads.believed_vectors.shape[1], ads.believed_vectors, ads.believed_bias)
        self.batch = 1 << max(8, min(BATCH, BATCH_BYTES // 4 // count)).bit_length() - 1 if settings.index is None else BATCH
        d = recall.dimensions
        self._index = np.empty((d + 1, count), np.float32)  # the last row: bias and log bid
        self._index[:d] = recall.ads.T
        self._wanted = np.ones((self.batch, d + 1), np.float32)
        self._plain, self._unseen = Context.plain(self.batch, 0), Seen(no_memory(campaigns), np.zeros(self.batch, np.int64))
        self._worth = np.zeros(count, np.float32)  # bid per click at the last tick
        ladders = Ladders.of(settings, int(users.tier.max()) + 1)
        self.quotas = ladders.quotas  # levels that a tier lacks pass nothing
        rows = self.quotas[:, :, 2].max(axis=0)
        rows[0] = max(rows[0], 1)  # a block without rows is one of a market without a funnel
        self.first_row = np.concatenate([[0], np.cumsum(rows)])
        most = np.minimum(self.quotas[:, 0, 0], count)
        shared = np.array([channels(settings, int(full)) for full in most], np.int64)
        self._lists = None if settings.index is None else Lists(settings.index, recall.ads, users.interests[:, :d])
        full, room, segments, cached = int(most.max()), room_for(count), len(users.segment_start) - 1, ladders.cached
        matches = Matches(np.zeros(1, np.int64), none, none) if matches is None else matches
        scratch = Scratch(
            place=np.empty(room, np.int32), value=np.empty(room, np.float32), bins=np.empty(room, np.int32),
            ad=np.empty(full + 8, np.int64), recall=np.empty(full + 8, np.float32), rough=np.empty(full + 8, np.float32),
            chosen=np.empty(full + 8, np.int64), score=np.empty(full + 8, np.float32), click=np.empty(full + 8, np.float32),
            matched=np.empty(int(np.diff(matches.first).max(initial=0)) + 8, np.float32),
            stamp=np.full(count, -1, np.int64), owner_stamp=np.full(campaigns, -1, np.int64),
            owner_best=np.empty(campaigns, np.int64), serial=np.zeros(1, np.int64),
        )  # fmt: skip
        desk = Desk(
            keys, matches, recall, rough, fine, owner, users.segment, users.tier, self.first_row,
            fresh=np.flatnonzero(ads.new) if ads.new.any() else np.arange(count),
            offset=np.empty(count, np.float32), popular=np.empty((len(most), int(shared[:, 1].max())), np.int64),
            channels=shared, cached_ad=np.zeros((segments, cached), np.int64),
            cached_rate=np.zeros((segments, cached), np.float32),
            people=np.zeros((self.batch, users.interests.shape[1]), np.float32),
            scores=np.empty((self.batch, count if self._lists is None else 0), np.float32),
            nearest=np.empty((self.batch, 0 if self._lists is None else int(shared[:, 0].max())), np.int64), scratch=scratch,
        )  # fmt: skip
        self._desk = Addressed(desk)
        self._first_bias = recall.bias, rough.bias, fine.bias
        self._models: dict[str, RateModel | Correction] = {}  # by stage
        self._said = nothing_said()
        self._room = full
        self._winnow: Callable[..., Any] | None = None  # compiled for the batches that come
        self._most_worth: Callable[..., Any] | None = None
        if cached:
            sums = np.add.reduceat(users.interests, users.segment_start[:-1], axis=0, dtype=np.float64)
            self._typical = (sums / np.diff(users.segment_start)[:, None]).astype(np.float32)
            self._cached = np.zeros(segments, np.int64)  # ads found for each segment
        self._passed = np.zeros((self.quotas.shape[1], 3), np.int64)
        self.refresh(np.zeros(campaigns, np.float32))  # nobody has bid yet

    def refresh(self, live: Floats32) -> None:
        """Takes over what campaigns bid for a click now, (campaigns,); 0 takes no part."""
        its = self._desk.value
        np.take(live, its.owner, out=self._worth)
        its.offset[:] = NOBODY
        np.log(self._worth, out=its.offset, where=self._worth > 0)
        np.add(its.recall.bias, its.offset, out=self._index[-1])
        if self._lists is not None:
            self._lists.refresh(self._index[-1], self._worth > 0)
        misfit = -(its.fine.bias + its.offset)
        for popular, size in zip(its.popular, its.channels[:, Channel.POPULAR], strict=True):
            if size:
                popular[:size] = np.sort(np.argpartition(misfit, size - 1)[:size])
        if its.cached_ad.size:
            self._cache()

    def set_quotas(self, tier: int, quotas: Integers) -> None:
        """Other quotas (levels, 3) of a tier, no larger than the settings', for candidates found after the next `refresh`."""
        self.quotas[tier, : len(quotas)] = quotas
        self._desk.value.channels[tier] = channels(self._settings, min(int(quotas[0, 0]), len(self._worth)))

    def correct(self, odds: Floats) -> None:
        """Takes over factors on the odds of a click as first believed, (ads,), in all stages; `refresh` follows."""
        for stage, first in zip(STAGES, self._first_bias, strict=True):
            bias = (first + np.log(odds)).astype(np.float32)
            bias.flags.writeable = False  # as the market's is
            self._desk.replace(stage, bias=bias)

    def believe(self, stage: str, model: RateModel | Correction | None) -> None:
        """Has a model say the rates of a stage, or, if it is None, the platform again.

        Raises:
            MarketError: if it is recall, and an index finds the best ads.
        """
        if stage == "recall" and model is not None and self._lists is not None:
            raise MarketError("an index finds ads by the platform's own terms: recall by a model needs funnel.index None")
        self._models.pop(stage, None)
        self._said = nothing_said()
        if model is not None:
            self._models[stage] = model

    def _cache(self) -> None:
        """What a typical user of each segment would be shown."""
        its, found = self._desk.value, self._cached
        odds = self._typical @ its.fine.ads.T + its.fine.bias
        if self._most_worth is None:
            self._most_worth = entry(most_worth, odds, self._desk, found)
        self._most_worth(odds, self._desk, found)
        rate = 1 / (1 + np.exp(-np.take_along_axis(odds, its.cached_ad, axis=1)))
        its.cached_rate[:] = np.where(np.arange(rate.shape[1]) < found[:, None], rate, np.float32(0))

    def fill(
        self, first: int, start: int, users: Integers, context: Context | None, rate: Floats32, ad: Integers, who: Integers,
        seen: Seen | None = None, end: int | None = None, asking: Batch | None = None,
    ) -> None:  # fmt: skip
        """Candidates of the requests of a block from place `start` on; rows of `rate`, `ad` and `who`, columns by place.

        `users` are those of the whole block, `context` what comes with them, `seen` what they have seen (None: nothing). `end`
        is a multiple of BATCH at which to stop; None: the block's. `asking` are the requests as models see them.
        """
        for low in range(start // self.batch * self.batch, users.size if end is None else end, self.batch):
            batch = slice(low, low + self.batch)
            about, remembers = None if context is None else context.part(batch), None if seen is None else seen.part(batch)
            skip, block = max(start - low, 0), (rate, ad, who)
            told = None if asking is None else asking.part(batch)
            self._pass(first + low, skip, low, users[batch], about, remembers, self.quotas, *block, self._passed, told)

    def trace(
        self, number: int, user: int, context: Context | None = None, seen: Seen | None = None, asking: Batch | None = None
    ) -> Trace:
        """The way of one request through the full quotas of its tier, with the index as it is; for judges.

        `context` and `seen` are of this one request.
        """
        rows, scratch, passed = int(self.first_row[1]), self._desk.value.scratch, np.zeros((1, 3), np.int64)
        rate, ad, who = np.zeros((rows, 1), np.float32), np.zeros((rows, 1), np.int64), np.zeros((rows, 1), np.int64)
        quotas = self.quotas[:, :1].copy()
        self._pass(number, 0, 0, np.array([user]), context, seen, quotas, rate, ad, who, passed, asking)
        recalled, kept, shown = passed[0]
        scores = self._desk.value.scores[0] if self._lists is None else self._wanted[0] @ self._index  # of the request
        return Trace(
            scores.copy(), scratch.ad[:recalled].copy(), scratch.rough[:recalled].copy(), scratch.chosen[:kept].copy(),
            ad[:shown, 0],
        )  # fmt: skip

    def _pass(
        self, first: int, skip: int, column: int, users: Integers, context: Context | None, seen: Seen | None, quotas: Integers,
        rate: Floats32, ad: Integers, who: Integers, passed: Integers, asking: Batch | None = None,
    ) -> None:  # fmt: skip
        """Scores one batch of users, or a single user, against the index and winnows; see `winnow`."""
        people, wanted = self._desk.value.people, self._wanted
        people[: users.size] = self._users.interests[users]
        if context is not None:
            people[: users.size] += context.vectors
        wanted[:, :-1] = people[:, : wanted.shape[1] - 1]
        if self._lists is None:
            np.matmul(wanted, self._index, out=self._desk.value.scores)
        else:
            self._lists.search(wanted[:, :-1], self._desk.value.nearest)
        about, remembered = context or self._plain, seen or self._unseen
        if self._models:
            assert asking is not None
            self._ask(first, skip, users, about, quotas, asking)
        arguments = first, skip, column, users, about, remembered, quotas, self._desk, rate, ad, who, passed, self._said
        if self._winnow is None:
            self._winnow = entry(winnow, *arguments)
        self._winnow(*arguments)

    def believed(self, users: Integers, context: Context | None, ads: Integers) -> Floats32:
        """Click rates, without lift, that the platform's fine sort would find, (n, m).

        Args:
            users: (n,) who ask; `context` is what comes with them.
            ads: (m,) of all requests, or (n, m); -1 stands for none, of which nothing is said that matters.
        """
        fine, people = self._desk.value.fine, self._users.interests[users]
        if context is not None and context.vectors.size:
            people = people + context.vectors
        there = np.maximum(ads, 0)
        vectors = fine.ads[there]
        odds = people @ vectors.T if ads.ndim == 1 else np.matmul(vectors, people[:, :, None])[..., 0]
        odds += fine.bias[there]
        if context is not None:
            odds += context.odds[:, None]
        rates: Floats32 = 1 / (1 + np.exp(-odds))
        return rates

    def _ask(self, first: int, skip: int, users: Integers, context: Context, quotas: Integers, asking: Batch) -> None:
        """Has models say the rates of a batch, stage by stage: of all ads, those recalled, those roughly sorted."""
        its, n, about = self._desk.value, users.size, context
        rest = slice(skip, n)
        told = asking.part(rest)
        self._said = nothing_said()
        if (model := self._models.get("recall")) is not None:
            ads = np.arange(its.offset.size)
            its.scores[:n] = (
                log_odds(asked(model, asking, ads, lambda: self.believed(users, about.part(slice(n)), ads))) + its.offset
            )
        if (model := self._models.get("rough")) is not None:
            found = np.full((n, self._room), -1)
            recalled_ads(first, skip, users, context, quotas, self._desk, found)
            rates = asked(model, told, found[skip:], lambda: self.believed(users[rest], about.part(rest), found[skip:]))
            rough = np.zeros((n, self._room), np.float32)
            rough[skip:] = log_odds(rates)
            self._said = self._said._replace(found=found, rough=rough)
        if (model := self._models.get("fine")) is not None:
            levels = quotas.shape[1]
            most = max(int(quotas[:, :, 1].max()), 1)
            kept = np.full((levels, n, most), -1)
            sorted_ads(first, skip, users, context, quotas, self._desk, self._said, kept)
            fine = np.zeros((levels, n, most), np.float32)
            for level in np.flatnonzero((kept >= 0).any(axis=(1, 2))):
                left = kept[level, skip:]
                fine[level, skip:] = asked(model, told, left, partial(self.believed, users[rest], about.part(rest), left))
            self._said = self._said._replace(kept=kept, fine=fine)


class Said(NamedTuple):
    """What models say of a batch of n requests, and of which candidates, -1 behind the last; without columns: nothing."""

    found: Integers  # (n, recalled) ads
    rough: Floats32  # (n, recalled) log odds of a click
    kept: Integers  # (levels, n, roughly sorted) ads
    fine: Floats32  # (levels, n, roughly sorted) click rates


def nothing_said() -> Said:
    """Where no model stands in a stage."""
    whole, real = np.int64, np.float32
    return Said(np.zeros((0, 0), whole), np.zeros((0, 0), real), np.zeros((0, 0, 0), whole), np.zeros((0, 0, 0), real))


class Trace(NamedTuple):
    """What became of the ads on the way to one request's auction."""

    recall_score: Floats32  # (ads,) of all, as recall sees them
    recalled: Integers  # ads that left recall
    rough_score: Floats32  # of those, by the rough sort
    sorted: Integers  # ads that left the rough sort
    shown: Integers  # ads that left the fine sort


class Desk(NamedTuple):
    """All that the compiled funnel works with; n requests of a batch, T traffic tiers.

    Where an index finds the nearest ads, -1 behind them, there are no scores: shape (n, 0).
    """

    keys: NDArray[np.uint64]
    matches: Matches
    recall: StageView
    rough: StageView
    fine: StageView
    owner: Integers  # (ads,) campaigns
    segment: Integers  # (users,)
    tier: Integers  # (segments,)
    first_row: Integers  # (levels + 1,)
    fresh: Integers  # ads that recall tries, whoever asks
    offset: Floats32  # (ads,) log bid per click at the last tick
    popular: Integers  # (T, most) ads
    channels: Integers  # (T, 4) see `Channel`
    cached_ad: Integers  # (segments, cached)
    cached_rate: Floats32  # (segments, cached) 0: there is none
    people: Floats32  # (n, dimensions) users' interests and what they ask
    scores: Floats32  # (n, ads) by recall
    nearest: Integers  # (n, recalled)
    scratch: Scratch


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
