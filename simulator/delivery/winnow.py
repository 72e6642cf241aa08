"""The compiled funnel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..population.rates import sigmoid
from ..response.memory import has_seen_enough
from .best import NOBODY, best_of, product
from .stages import Channel


@spelt_out
def is_behind_a_funnel(state: Any) -> Any:
    """Whether rows of the bids are candidates that a funnel has let through, not all campaigns."""
    return state.bids.who.size > 0


@spelt_out
def campaign_in_row(row: Any, j: Any, state: Any) -> Any:
    """The campaign that a row of the bids belongs to, for the request in column j."""
    return state.bids.who[row, j] if is_behind_a_funnel(state) else row


@inlined
def merge_channels(
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
        found = best_of(scores, scores.size, channels[Channel.INDEX], scratch.place, scratch.value, scratch.bins)
        for i in range(found):
            a = np.int64(scratch.place[i])
            scratch.ad[i], scratch.recall[i], scratch.stamp[a] = a, scratch.value[i], serial
    else:
        for i in range(min(channels[Channel.INDEX], nearest.size)):
            if nearest[i] >= 0:
                found = add_recalled(nearest[i], serial, scores, person, recall, offset, scratch, found)
    if query >= 0 and channels[Channel.KEYWORDS] > 0:
        low = matches.first[query]
        size = matches.first[query + 1] - low
        for i in range(size):
            a = np.int64(matches.ad[low + i])
            scratch.matched[i] = score_of(a, scores, person, recall, offset)
        kept = best_of(scratch.matched, size, channels[Channel.KEYWORDS], scratch.place, scratch.value, scratch.bins)
        for i in range(kept):
            a = np.int64(matches.ad[low + scratch.place[i]])
            found = add_recalled(a, serial, scores, person, recall, offset, scratch, found)
    for i in range(channels[Channel.POPULAR]):
        found = add_recalled(popular[i], serial, scores, person, recall, offset, scratch, found)
    for i in range(channels[Channel.EXPLORING]):
        drawn = fresh[np.int64(uniform(keys[Stream.EXPLORE], number, i) * fresh.size)]
        found = add_recalled(drawn, serial, scores, person, recall, offset, scratch, found)
    return found


@inlined
def score_of(a: Any, scores: Any, person: Any, recall: Any, offset: Any) -> Any:
    """What recall makes of an ad."""
    return scores[a] if scores.size > 0 else product(person, recall.ads[a]) + recall.bias[a] + offset[a]


@inlined
def add_recalled(a: Any, serial: Any, scores: Any, person: Any, recall: Any, offset: Any, scratch: Any, found: Any) -> Any:
    """One more recalled ad, unless it is there already or takes no part."""
    if scratch.stamp[a] == serial or offset[a] <= NOBODY:
        return found
    score = score_of(a, scores, person, recall, offset)
    scratch.ad[found], scratch.recall[found], scratch.stamp[a] = a, score, serial
    return found + 1


@kernel(nogil=True, fastmath={"contract", "reassoc"})
def winnow(
    first: Any, skip: Any, column: Any, users: Any, people: Any, context: Any, seen: Any, matches: Any, keys: Any, scores: Any,
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
        person, home, lift = people[j], segment[users[j]], context.lift[j]
        tier = tiers[home]
        quota, recalled = quotas[tier], 0
        if quota[0, 0] > 0:
            recalled = merge_channels(
                first + j, scores[j], nearest[j], person, context.query[j], matches, recall, popular[tier], fresh,
                channels[tier], keys, offset, scratch,
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
                        likelier = click * math.exp(context.odds[j])
                        rate[row, column + j] = np.float32(likelier / (1.0 - click + likelier)) * lift
                        ad[row, column + j], who[row, column + j] = a, owner[a]
                        passed[level, 2] += cached_rate[home, i] > 0
                continue
            kept = rough_sort(recalled, level, quota, scratch)
            shown = fine_sort(kept, person, users[j], j, context.odds[j], seen, fine, offset, owner, quota[level, 2], scratch)
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
