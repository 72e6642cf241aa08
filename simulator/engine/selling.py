"""What the winner of a slot pays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.compiled import spelt_out
from ..delivery.auction import price_rank, rank_of
from .state import Control, is_weighted


@spelt_out
def price_of(j: Any, rank: Any, row: Any, k: Any, depth: Any, marginal: Any, state: Any) -> Any:
    """Bid and cost of an impression, millionths, of the campaign of that rank, k, in a row of the bids; see `price_rank`."""
    lane, top, reserve = j % LANES, state.bids.top, np.float64(state.bids.floor[k])
    floor = reserve * state.bids.weight[row, j] if is_weighted(state) else reserve
    bid, price = rank_of(top[rank, lane]), price_rank(state.control[Control.PRICING], top, lane, rank, depth, marginal, floor)
    if is_weighted(state):
        # The rank was rounded: without its weight it may lie a hair below a bid at the reserve, or above the cap.
        bid = max(min(bid / state.bids.weight[row, j], np.float64(state.bids.cap[k])), reserve)
        price /= state.bids.weight[row, j]
    return bid, np.int64(min(max(price, reserve), bid))
