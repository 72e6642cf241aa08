"""Leaks: features that know what came of the impression they stand beside.

Given its true rate a click is a coin that nothing known before can foretell. So for any feature known as of the request, clicks
less true rates are noise in each of its buckets; where they are not, the feature has looked ahead. Without a truth there is
only a recount of what had happened before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from ...simulator.core.arrays import Integers
from .features import Schema
from .logs import END_US, Log

BUCKETS = 256  # values of a feature that are told apart
FOUND = 1e-4  # probability, of all features together, below which chance is no explanation


class Leak(NamedTuple):
    """What a feature tells of clicks beyond their true rates."""

    feature: str
    chi_square: float  # of its buckets
    buckets: int
    probability: float  # of as much by chance; times the number of features looked at, at most 1

    @property
    def found(self) -> bool:
        """Whether it cannot be chance."""
        return self.probability < FOUND


def leaks(log: Log, schema: Schema) -> list[Leak]:
    """Tests every feature of a log with a truth, streaming; the worst first.

    In bucket b, z_b = sum (y - p) / sqrt(sum p (1 - p)) is standard normal, so that the sum of squares is chi-square.
    """
    width = [min(size, BUCKETS) for size in schema.sizes]
    off = [np.zeros(w) for w in width]
    variance = [np.zeros(w) for w in width]
    for found in log.chunks((*schema.columns, "clicked"), END_US):
        rate, ids = found["true_rate"], schema.encoded(found)
        for f, w in enumerate(width):
            bucket = ids[:, f] % w
            off[f] += np.bincount(bucket, found["clicked"] - rate, w)
            variance[f] += np.bincount(bucket, rate * (1 - rate), w)
    told = []
    for f, feature in enumerate(schema.features):
        there = variance[f] > 5.0  # expected clicks, so that a sum is nearly normal
        square = float((off[f][there] ** 2 / variance[f][there]).sum())
        buckets = int(there.sum())
        chance = float(chi2.sf(square, buckets)) if buckets else math.nan
        told.append(Leak(feature.name, square, buckets, min(1.0, chance * len(schema.features))))
    return sorted(told, key=lambda leak: leak.probability)


def miscounted(log: Log) -> dict[str, int]:
    """How many rows differ, column by column, from a recount of what users and ads had seen before the request.

    A log in which impressions count before their request is over differs in nearly all.
    """
    users, ads = log.users, log.bounds("ad")[1] + 1
    shown = {"user": np.zeros(users, np.int64), "ad": np.zeros(ads, np.int64)}
    clicked = {"user": np.zeros(users, np.int64), "ad": np.zeros(ads, np.int64)}
    wrong = dict.fromkeys(("user_shown", "user_clicked", "ad_shown", "ad_clicked"), 0)
    for found in log.chunks(("ad", "clicked", *wrong)):
        request = found["request"]
        first = np.flatnonzero(np.r_[True, request[1:] != request[:-1]])
        start = np.repeat(first, np.diff(np.r_[first, request.size]))  # first row of each row's request
        for key in ("user", "ad"):
            for name, tally, amount in (
                ("shown", shown[key], np.ones(request.size, np.int64)),
                ("clicked", clicked[key], found["clicked"].astype(np.int64)),
            ):
                before = _before(found[key].astype(np.int64), amount, start) + tally[found[key]]
                wrong[f"{key}_{name}"] += int((before != found[f"{key}_{name}"]).sum())
                np.add.at(tally, found[key], amount)
    return wrong


def _before(key: Integers, amount: Integers, start: Integers) -> Integers:
    """Of each row, the sum of amounts of the same key in rows before `start`; all (n,)."""
    order = np.argsort(key, kind="stable")
    total = np.r_[0, np.cumsum(amount[order])]  # by place in the order
    # Where each row's request begins among the rows of its own key.
    scale = key.size + 1
    place = np.searchsorted(key[order] * scale + order, key * scale + start)
    own = np.searchsorted(key[order], key)
    return np.asarray(total[place] - total[own])
