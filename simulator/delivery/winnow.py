"""The compiled funnel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..population.rates import sigmoid
from ..response.memory import fetch_exposures, has_seen_enough
from .best import NOBODY, best_of, product
from .stages import Channel

AHEAD = 8  # candidates for which is fetched what the fine sort will look up


@spelt_out
def is_behind_a_funnel(state: Any) -> Any:
    """Whether rows of the bids are candidates that a funnel has let through, not all campaigns."""
    return state.bids.who.size > 0


@spelt_out
def campaign_in_row(row: Any, j: Any, state: Any) -> Any:
    """The campaign that a row of the bids belongs to, for the request in column j."""
    return state.bids.who[row, j] if is_behind_a_funnel(state) else row


@inlined
def merge_channels(number: Any, j: Any, query: Any, tier: Any, desk: Any) -> Any:
    """Recall: the ads of all channels under their quotas, each once; returns how many.

    The best by all scores first, or where there are none the nearest by the index; then those whose keywords match the query;
    popular ones, whoever asks; and some drawn among the new (or all, if none is).
    """
    scratch, channels, matches = desk.scratch, desk.channels[tier], desk.matches
    scores, nearest = desk.scores[j], desk.nearest[j]
    scratch.serial[0] += 1
    found = np.int64(0)
    if scores.size > 0:
        found = best_of(scores, scores.size, channels[Channel.INDEX], scratch.place, scratch.value, scratch.bins)
        for i in range(found):
            a = np.int64(scratch.place[i])
            scratch.ad[i], scratch.recall[i], scratch.stamp[a] = a, scratch.value[i], scratch.serial[0]
    else:
        for i in range(min(channels[Channel.INDEX], nearest.size)):
            if nearest[i] >= 0:
                found = add_recalled(nearest[i], j, desk, found)
    if query >= 0 and channels[Channel.KEYWORDS] > 0:
        low = matches.first[query]
        size = matches.first[query + 1] - low
        for i in range(size):
            scratch.matched[i] = score_of(np.int64(matches.ad[low + i]), j, desk)
        kept = best_of(scratch.matched, size, channels[Channel.KEYWORDS], scratch.place, scratch.value, scratch.bins)
        for i in range(kept):
            found = add_recalled(np.int64(matches.ad[low + scratch.place[i]]), j, desk, found)
    for i in range(channels[Channel.POPULAR]):
        found = add_recalled(desk.popular[tier, i], j, desk, found)
    for i in range(channels[Channel.EXPLORING]):
        drawn = desk.fresh[np.int64(uniform(desk.keys[Stream.EXPLORE], number, i) * desk.fresh.size)]
        found = add_recalled(drawn, j, desk, found)
    return found


@inlined
def score_of(a: Any, j: Any, desk: Any) -> Any:
    """What recall makes of an ad."""
    if desk.scores.shape[1] > 0:
        return desk.scores[j, a]
    return product(desk.people[j], desk.recall.ads[a]) + desk.recall.bias[a] + desk.offset[a]


@inlined
def add_recalled(a: Any, j: Any, desk: Any, found: Any) -> Any:
    """One more recalled ad, unless it is there already or takes no part."""
    scratch = desk.scratch
    if scratch.stamp[a] == scratch.serial[0] or desk.offset[a] <= NOBODY:
        return found
    scratch.ad[found], scratch.recall[found], scratch.stamp[a] = a, score_of(a, j, desk), scratch.serial[0]
    return found + 1


@inlined
def rough_scores(recalled: Any, j: Any, desk: Any, said: Any) -> None:
    """What the rough sort, or a model in its place, makes of all that is recalled."""
    scratch, rough, person = desk.scratch, desk.rough, desk.people[j]
    for i in range(recalled):
        a = scratch.ad[i]
        if said.rough.size > 0:
            scratch.rough[i] = said.rough[j, i] + desk.offset[a]
        else:
            scratch.rough[i] = product(person, rough.ads[a]) + rough.bias[a] + desk.offset[a]


@inlined
def recall(number: Any, j: Any, query: Any, tier: Any, desk: Any, said: Any) -> Any:
    """The ads that are recalled, or those that a model has been asked about; returns how many."""
    if said.found.size == 0:
        return merge_channels(number, j, query, tier, desk)
    recalled = np.int64(0)
    while recalled < said.found.shape[1] and said.found[j, recalled] >= 0:
        a = said.found[j, recalled]
        desk.scratch.ad[recalled], desk.scratch.recall[recalled] = a, score_of(a, j, desk)
        recalled += 1
    return recalled


@inlined
def kept_by_model(level: Any, j: Any, said: Any, scratch: Any) -> Any:
    """Leaves in `chosen` what the rough sort has kept, about which a model has been asked; returns how many."""
    kept = np.int64(0)
    while kept < said.kept.shape[2] and said.kept[level, j, kept] >= 0:
        scratch.chosen[kept] = said.kept[level, j, kept]
        kept += 1
    return kept


@kernel()
def recalled_ads(first: Any, skip: Any, users: Any, context: Any, quotas: Any, desk: Any, found: Any) -> None:
    """Writes into found (n, recalled) which ads a batch recalls, behind the first `skip` requests; see `winnow`."""
    for j in range(skip, users.size):
        tier = desk.tier[desk.segment[users[j]]]
        if quotas[tier, 0, 0] > 0:
            for i in range(merge_channels(first + j, j, context.query[j], tier, desk)):
                found[j, i] = desk.scratch.ad[i]


@kernel()
def sorted_ads(first: Any, skip: Any, users: Any, context: Any, quotas: Any, desk: Any, said: Any, kept: Any) -> None:
    """Writes into kept (levels, n, roughly sorted) which ads the rough sort keeps at each level; see `winnow`."""
    for j in range(skip, users.size):
        tier = desk.tier[desk.segment[users[j]]]
        quota = quotas[tier]
        if quota[0, 0] == 0:
            continue
        recalled = recall(first + j, j, context.query[j], tier, desk, said)
        rough_scores(recalled, j, desk, said)
        for level in range(quota.shape[0]):
            if quota[level, 0] > 0:
                for i in range(rough_sort(recalled, level, quota, desk.scratch)):
                    kept[level, j, i] = desk.scratch.chosen[i]


@kernel(nogil=True, fastmath={"contract", "reassoc"})
def winnow(
    first: Any, skip: Any, column: Any, users: Any, context: Any, seen: Any, quotas: Any, desk: Any, rate: Any, ad: Any,
    who: Any, passed: Any, said: Any,
) -> None:  # fmt: skip
    """The funnel of a batch of requests, from their recall scores on the `desk` to the rows of their auctions; see `Desk`.

    What models have `said` is of the candidates that go with it, which are not found again.

    The first `skip` requests are left as they are. Lower levels of `quotas` (T, levels, 3) are given what the full one
    recalled.
    """
    scratch, first_row, owner = desk.scratch, desk.first_row, desk.owner
    for j in range(skip, users.size):
        home, lift = desk.segment[users[j]], context.lift[j]
        tier = desk.tier[home]
        quota, recalled = quotas[tier], 0
        if quota[0, 0] > 0:
            recalled = recall(first + j, j, context.query[j], tier, desk, said)
            rough_scores(recalled, j, desk, said)
        for level in range(quota.shape[0]):
            rows = first_row[level + 1] - first_row[level]
            if quota[level, 0] == 0:
                for i in range(rows):
                    row = first_row[level] + i
                    rate[row, column + j] = 0
                    if i < quota[level, 2]:
                        a, click = desk.cached_ad[home, i], np.float64(desk.cached_rate[home, i])
                        likelier = click * math.exp(context.odds[j])
                        rate[row, column + j] = np.float32(likelier / (1.0 - click + likelier)) * lift
                        ad[row, column + j], who[row, column + j] = a, owner[a]
                        passed[level, 2] += click > 0
                continue
            kept = kept_by_model(level, j, said, scratch) if said.fine.size > 0 else rough_sort(recalled, level, quota, scratch)
            shown = fine_sort(kept, users[j], j, context.odds[j], seen, quota[level, 2], desk, said, level)
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
    kept: Any, user: Any, j: Any, odds: Any, seen: Any, quota: Any, desk: Any, said: Any, level: Any
) -> Any:  # fmt: skip
    """Leaves in `place` where among `chosen` the best stand, one of each campaign, `click` being their rates."""
    scratch, fine, person = desk.scratch, desk.fine, desk.people[j]
    scratch.serial[0] += 1
    serial, campaigns = scratch.serial[0], scratch.owner_stamp.size
    for i in range(kept):
        if i + AHEAD < kept:
            fetch_exposures(user, desk.owner[scratch.chosen[i + AHEAD]], campaigns, seen.memory)
        a = scratch.chosen[i]
        if said.fine.size > 0:
            click = said.fine[level, j, i]
        else:
            click = np.float32(sigmoid(product(person, fine.ads[a]) + fine.bias[a] + odds))
        scratch.click[i], scratch.score[i] = click, math.log(click) + desk.offset[a]
        k = desk.owner[a]
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


@kernel()
def most_worth(odds: Any, desk: Any, found: Any) -> None:
    """Finds for each segment the ads that its typical user would be shown, from their log `odds` (segments, ads).

    The best of each campaign, by worth; of those the best, as many as are cached, the first first. `found` says how many.
    """
    offset, owner, best, cached = desk.offset, desk.owner, desk.scratch.owner_best, desk.cached_ad
    for s in range(odds.shape[0]):
        best[:] = -1
        for a in range(odds.shape[1]):
            if odds[s, a] + offset[a] > NOBODY / 2:
                leader = best[owner[a]]
                if leader < 0 or odds[s, a] + offset[a] > odds[s, leader] + offset[leader]:
                    best[owner[a]] = a
        size = 0
        for k in range(best.size):
            a = best[k]
            if a < 0:
                continue
            worth, place = odds[s, a] + offset[a], size
            while place > 0:
                other = cached[s, place - 1]
                its = odds[s, other] + offset[other]
                if its > worth or (its == worth and other < a):
                    break
                if place < cached.shape[1]:
                    cached[s, place] = other
                place -= 1
            if place < cached.shape[1]:
                cached[s, place] = a
                size = min(size + 1, cached.shape[1])
        found[s] = size
