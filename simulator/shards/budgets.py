"""What each shard may spend until it is asked again: parts of what is left that together never exceed it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats, Integers

SLACK = 0.5  # of the mean spend of a shard: so much each is given beside what it spent last


def allowances(left: Integers, spent: Floats, unit: Floats, later: NDArray[np.bool_], turn: int) -> Integers:
    """How much of what is `left` (K,) each shard may spend, (shards, K).

    Parts go by what a shard has spent of late, `spent` (shards, K), plus some slack, so that one that spent nothing may begin.
    A part below a `unit` (K,), about the most that a campaign pays at once, would only lower its bids: if what is left makes
    fewer units than there are shards, so many shards have it, others at each `turn`, and if it is less than a unit, one.
    Rounded down: whatever shards do, all together spend at most what is left; one shard has all of it.

    A campaign that pays `later` (K,), when a conversion is reported, pays at the head: each shard bids by all that is left.
    """
    shards = len(spent)
    if shards == 1:
        return left[None, :].copy()
    holders = np.clip(left // np.maximum(unit, 1.0), 1, shards)
    holds = (np.arange(shards)[:, None] + turn) % shards < holders
    mean = spent.mean(axis=0)
    wanted = np.where(holds, np.where(mean > 0, spent + SLACK * mean, 1.0), 0.0)
    parts = np.floor(left * (wanted / wanted.sum(axis=0))).astype(np.int64)
    over = np.maximum(parts.sum(axis=0) - left, 0)  # whatever rounding has made of it
    parts[parts.argmax(axis=0), np.arange(left.size)] -= over
    return np.where(later, left, parts)
