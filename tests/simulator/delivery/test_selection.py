"""The best bids for a request: found for it alone and for its group at once, against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.simulator.core.arrays import LANES
from adarena.simulator.delivery.auction import LAST
from adarena.simulator.delivery.selection import Bids, selector, with_selector

COLUMNS = 2 * LANES


def new_bids(dice: np.random.Generator, campaigns: int, slots: int, weighed: bool, offers: bool, throttled: bool) -> Bids:
    """Bids of which many are equal, some are capped, below the reserve or nothing, and which are made in all ways."""
    none = np.empty((0, 0), np.float32)
    shape = campaigns, COLUMNS

    def some(*values: float, of: Any = campaigns) -> Any:
        return dice.choice(np.array(values, np.float32), of)

    offer_row = np.full(campaigns, -1)
    if offers:
        offer_row[::2] = np.arange(len(offer_row[::2]))
    return Bids(
        rate=some(0, 0.25, 0.5, 1, of=shape),
        platform=none,
        ad=np.empty((0, 0), np.int64),
        who=np.empty((0, 0), np.int64),
        weight=some(0.5, 1, 2, of=shape) if weighed else none,
        offer=some(0, 3, 8, 40, of=(int(offer_row.max()) + 1, COLUMNS)) if offers else none,
        offer_row=offer_row,
        top=np.full((slots + 1, LANES), 5, np.int64),
        live=some(0, 4, 8, 16, 32),
        cap=some(6, np.inf),
        click_cap=some(10, np.inf),
        pace=np.ones(campaigns),
        taking=some(0.3, 1) if throttled else np.ones(campaigns, np.float32),
        draw=dice.random(shape, np.float32) if throttled else none,
        floor=some(1, 4),
        watch=np.zeros(campaigns),
        selector=0,
    )


def best_bids(bids: Bids, j: int) -> list[int]:
    """Words of the best bids for the request in column j, by sorting."""
    found = []
    for k in range(len(bids.live)):
        if bids.live[k] <= 0:
            continue
        rate = float(bids.rate[k, j])
        bid = float(bids.offer[bids.offer_row[k], j]) if bids.offer_row[k] >= 0 else rate * float(bids.live[k])
        bid = min(bid, float(bids.cap[k]))
        if np.isfinite(bids.click_cap[k]):
            bid = min(bid, float(bids.click_cap[k]) * rate)
        sits_out = bids.taking[k] < 1 and bids.draw[k, j] >= bids.taking[k]
        if bid >= bids.floor[k] and not sits_out:
            rank = np.float32(bid * float(bids.weight[k, j]) if bids.weight.size else bid)
            found.append((-float(rank), k, (int(rank.view(np.int32)) << 32) | (LAST - k)))
    words = [word for _, _, word in sorted(found)][: len(bids.top)]
    return words + [0] * (len(bids.top) - len(words))


@settings(max_examples=40)
@given(
    campaigns=st.integers(1, 12),
    slots=st.sampled_from([1, 3]),
    weighed=st.booleans(),
    offers=st.booleans(),
    throttled=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_group_and_each_of_it_alone_find_the_best(
    campaigns: int, slots: int, weighed: bool, offers: bool, throttled: bool, seed: int
) -> None:
    dice = np.random.default_rng(seed)
    bids = new_bids(dice, campaigns, slots, weighed, offers, throttled)
    addressed, find = with_selector(bids, slots), selector(slots)
    j = int(dice.integers(COLUMNS))
    find(j, False, addressed)
    group = bids.top.copy()
    for lane in range(LANES):
        assert group[:, lane].tolist() == best_bids(bids, j - j % LANES + lane)
    bids.top[:] = 5
    find(j, True, addressed)
    assert bids.top[:, j % LANES].tolist() == group[:, j % LANES].tolist()
    bids.top[:, j % LANES] = 5
    assert (bids.top == 5).all()  # alone it leaves the others of its group as they are
