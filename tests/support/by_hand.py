"""Auctions of one request in plain numbers, with a reserve and a weight of its rank for each campaign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from reference import envelope

from adarena.simulator.core.arrays import Floats


def sold(bid: Floats, weight: Floats, reserve: Floats, pricing: str, exposure: Sequence[float]) -> list[tuple[int, float]]:
    """Who gets each slot, and at what price of an impression, by the definitions; who bids below its reserve is not there.

    Ranks are bid x weight. `exposure` are the slots' probabilities of being seen.
    """
    there = sorted(np.flatnonzero(bid >= reserve).tolist(), key=lambda k: (-bid[k] * weight[k], k))
    ranks = [float(bid[k] * weight[k]) for k in there]
    below = [*ranks[1:], 0.0]
    out = []
    for slot, k in enumerate(there[: len(exposure)]):
        rank = {
            "first": ranks[slot],
            "second": [*ranks, *[0.0] * len(exposure)][len(exposure)],
            "gsp": below[slot],
            "vcg": envelope(slot, ranks, float(reserve[k] * weight[k]), list(exposure)) / exposure[slot],
        }[pricing]
        out.append((k, max(rank / float(weight[k]), float(reserve[k]))))
    return out
