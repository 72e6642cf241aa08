"""What a clairvoyant would want to know of each request."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.chance import Stream, uniform
from ..core.compiled import inlined
from ..delivery.auction import campaign_of, rank_of
from ..delivery.rotation import creative_of
from .settle import click_rate_of
from .state import RECORD_OF, RECORDED

RECORD_INTS, RECORD_FLOATS = 3, 3  # of the latter the rivals' ranks follow


@inlined
def record(i: Any, j: Any, lane: Any, state: Any) -> None:
    """Notes for one campaign what a clairvoyant would want to know of this request: its rivals' ranks and the luck."""
    k, row, seen, top = state.control[RECORD_OF], state.control[RECORDED], state.seen, state.top
    state.control[RECORDED] = row + 1
    a = state.ad[k, j] if state.ad.size > 0 else k
    true_rate = click_rate_of(a, creative_of(i, a, state.keys, state.rotation), j, state)
    depth = 0
    while depth < len(seen) and (seen[depth] >= 1.0 or uniform(state.keys[Stream.EXPOSURE], i, depth) < seen[depth]):
        depth += 1
    state.record_ints[row, 0] = i
    state.record_ints[row, 1] = depth
    state.record_ints[row, 2] = uniform(state.keys[Stream.CLICK], i, a) < true_rate
    state.record_floats[row, 0] = state.rate[k, j]
    state.record_floats[row, 1] = true_rate * state.true_conversion[k] * state.value[k] * state.attributed[k]
    w = np.float64(state.weight[k, j]) if state.weight.size > 0 else 1.0
    state.record_floats[row, 2] = w
    place = 0
    for rival in range(len(seen)):
        if campaign_of(top[place, lane]) == k and top[place, lane] != 0:
            place += 1
        state.record_floats[row, 3 + rival] = rank_of(top[place, lane]) / w
        place += 1


class Recorded(NamedTuple):
    """Requests met by the recorded campaign, in order; n requests, S slots, money in millionths unless said otherwise."""

    campaign: int
    request: NDArray[np.int64]  # (n,)
    slots_seen: NDArray[np.int64]  # (n,) how many slots this user looks at
    clicked: NDArray[np.bool_]  # (n,) would click, if the campaign's ad is seen
    rate: NDArray[np.float64]  # (n,) believed click rate
    value: NDArray[np.float64]  # (n,) true expected value of a seen slot, of conversions that are attributed, currency
    weight: NDArray[np.float64]  # (n,) of the campaign's rank
    rivals: NDArray[np.float64]  # (n, S) the rivals' best ranks over that weight: what outbids them; 0 for nobody
