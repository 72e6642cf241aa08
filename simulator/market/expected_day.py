"""Kernels over a sample: what a day brings, and what it costs to win."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import LANES
from ..core.compiled import kernel
from ..core.intrinsics import call_kernel
from ..delivery.auction import campaign_of, price_rank, rank_of, select_alone


@kernel(nogil=True)
def expected_day(bids: Any, click: Any, surface: Any, surfaces: Any, pricing: Any, totals: Any) -> None:
    """Adds to totals (4, campaigns) expected impressions, cost (millionths), conversions and clicks of a block of requests.

    `click`, of the shape of `bids.rate`, are clicks per impression.
    """
    rate, who, weight, top = bids.rate, bids.who, bids.weight, bids.top
    for start in range(0, rate.shape[1], LANES):
        if who.size > 0:
            for lane in range(LANES):
                select_alone(start + lane, 0, rate.shape[0], lane, bids)
        else:
            call_kernel(bids.selector, (start, False, bids))
        for lane in range(LANES):
            place = surface[start + lane] if surface.size > 0 else 0
            depth, exposure = surfaces.slots[place], surfaces.marginal[place]
            for slot in range(depth):
                winner = top[slot, lane]
                if winner == 0:
                    break
                row = campaign_of(winner)
                k = who[row, start + lane] if who.size > 0 else row
                w = np.float64(weight[row, start + lane]) if weight.size > 0 else 1.0
                least = np.float64(bids.floor[k])
                price = price_rank(pricing, top, lane, slot, depth, exposure, least * w) / w
                price = min(max(price, least), rank_of(winner) / w)
                totals[0, k] += exposure[slot]
                totals[1, k] += exposure[slot] * price
                totals[2, k] += exposure[slot] * rate[row, start + lane]
                totals[3, k] += exposure[slot] * click[row, start + lane]


@kernel(nogil=True)
def least_winning_costs(bids: Any, surface: Any, surfaces: Any, cost: Any) -> None:
    """Writes into cost (campaigns, requests) the bid, in millionths, that would win each campaign the last slot."""
    rate, weight, top = bids.rate, bids.weight, bids.top
    for start in range(0, rate.shape[1], LANES):
        call_kernel(bids.selector, (start, False, bids))
        for lane in range(LANES):
            # Who wins need only beat the best of those who do not; who does not, the last winner.
            last = surfaces.slots[surface[start + lane] if surface.size > 0 else 0] - 1
            outsider, insider = rank_of(top[last, lane]), rank_of(top[last + 1, lane])
            for k in range(rate.shape[0]):
                cost[k, start + lane] = np.float32(outsider)
            for slot in range(last + 1):
                if top[slot, lane] != 0:
                    cost[campaign_of(top[slot, lane]), start + lane] = np.float32(insider)
            for k in range(rate.shape[0]):
                w = weight[k, start + lane] if weight.size > 0 else np.float32(1)
                cost[k, start + lane] = max(cost[k, start + lane] / w, bids.floor[k])
