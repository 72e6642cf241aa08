"""The best of many scores, without sorting them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined

NOBODY = np.float32(-1e30)  # the log worth of an ad that takes no part
REACH = np.float32(40.0)  # log worth so far below the best is as good as nothing
BINS = 1024  # of the histograms by which the best are found
SAMPLED = 1024  # scores from which a first threshold is guessed


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
