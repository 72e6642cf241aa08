"""The best of many scores, without sorting them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import apart, inlined
from ..core.intrinsics import stay_apart
from ..core.simd import WIDTH, above, count, largest, lowest, pack, pack_places, smallest

NOBODY = np.float32(-1e30)  # the log worth of an ad that takes no part
REACH = np.float32(40.0)  # log worth so far below the best is as good as nothing
BINS = 1024  # into which scores are put to find the best
SAMPLED = 1024  # scores from which a first threshold is guessed


def room_for(size: int) -> int:
    """How much room to work in the best of so many scores are found with, `place`, `value` and `bins` of `best_of`."""
    return 2 * size + 3 * WIDTH


@inlined
def compact(score: Any, size: Any, least: Any, place: Any, value: Any) -> Any:
    """Writes the places and values of all scores above `least`; returns how many."""
    found, whole = np.int64(0), size - size % WIDTH
    for i in range(0, whole, WIDTH):
        bits = above(score, i, least)
        pack_places(i, bits, place, found)
        pack(score, i, bits, value, found)
        found += count(bits)
    for i in range(whole, size):
        place[found], value[found] = i, score[i]
        found += np.int64(score[i] > least)
    return found


@inlined
def bin_of(x: Any, low: Any, scale: Any) -> Any:
    """The bin of a score; all that lies below `low` counts to the first."""
    return np.int32((max(x, low) - low) * scale)


@inlined
def count_above(bins: Any, size: Any, limit: Any) -> Any:
    """How many lie in bins above a limit; behind them is room of none; see `put_into_bins`."""
    found = np.int64(0)
    for i in range(0, size, WIDTH):
        found += count(above(bins, i, np.int32(limit)))
    return found


@inlined
def bin_of_last(bins: Any, size: Any, wanted: Any) -> Any:
    """The highest bin that has `wanted` in it and above, 0 if there is none."""
    low, high = 0, BINS
    while high - low > 1:
        middle = (low + high) // 2
        if count_above(bins, size, middle - 1) >= wanted:
            low = middle
        else:
            high = middle
    return low


@inlined
def put_into_bins(value: Any, size: Any, low: Any, scale: Any, bins: Any) -> None:
    """Writes the bin of each value, and none behind them."""
    for i in range(size):
        bins[i] = bin_of(value[i], low, scale)
    for i in range(size, size + WIDTH):
        bins[i] = -1


@inlined
def spread(value: Any, size: Any) -> Any:
    """The smallest and the largest value; what is right behind them is written over."""
    for i in range(size, size + WIDTH):
        value[i] = value[0]
    low, high = value[0], value[0]
    for i in range(0, size, WIDTH):
        low, high = min(low, smallest(value, i)), max(high, largest(value, i))
    return low, high


@inlined
def guess(score: Any, size: Any, wanted: Any, value: Any, bins: Any) -> Any:
    """A score that a few more than `wanted` exceed, from a sample of them."""
    stride = max(1, size // SAMPLED)
    sampled = (size + stride - 1) // stride
    for n in range(sampled):
        value[n] = score[n * stride]
    _, high = spread(value, sampled)
    low = high - REACH
    scale = np.float32(BINS - 1) / REACH
    put_into_bins(value, sampled, low, scale, bins)
    place = bin_of_last(bins, sampled, np.int64(1.3 * sampled * wanted / size) + 4)
    return low + np.float32(place) / scale if place > 0 else NOBODY


@apart
def best_of(score: Any, size: Any, wanted: Any, place: Any, value: Any, bins: Any) -> Any:
    """Finds the `wanted` largest of the first `size` scores that are above `NOBODY`: their places and values, in no order.

    Returns how many there are. `place`, `value` and `bins` need room as `room_for` says. A threshold guessed from a sample
    leaves few to look at; of the bins into which those are put one has the last place in it, and only that one is sorted.
    """
    stay_apart()
    least = guess(score, size, wanted, value, bins) if size > 4 * wanted or size > SAMPLED else NOBODY
    found = compact(score, size, least, place, value)
    if found < wanted and least > NOBODY:
        found = compact(score, size, NOBODY, place, value)
    if found <= wanted:
        return found
    low, high = spread(value, found)
    low = max(low, high - REACH)
    put_into_bins(value, found, low, np.float32(BINS - 1) / max(high - low, np.float32(1e-6)), bins)
    edge = bin_of_last(bins, found, wanted)
    missing = wanted - count_above(bins, found, edge)
    kept, tail = np.int64(0), found + WIDTH  # from there on the best of the edge's bin, sorted
    last = tail
    for i in range(0, found, WIDTH):
        higher = above(bins, i, np.int32(edge))
        edging = above(bins, i, np.int32(edge - 1)) & ~higher
        while edging:
            n = i + lowest(edging)
            edging &= edging - 1
            x, whose, j = value[n], place[n], last
            while j > tail and value[j - 1] < x:
                value[j], place[j] = value[j - 1], place[j - 1]
                j -= 1
            value[j], place[j] = x, whose
            last = min(last + 1, tail + missing)
        pack(value, i, higher, value, kept)
        pack(place, i, higher, place, kept)
        kept += count(higher)
    for i in range(missing):
        value[kept + i], place[kept + i] = value[tail + i], place[tail + i]
    return wanted


@inlined
def product(one: Any, other: Any) -> Any:
    """The inner product of two vectors, of the length of the second."""
    total = np.float32(0)
    for i in range(other.size):
        total += one[i] * other[i]
    return total
