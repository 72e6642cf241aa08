"""Kernels of a replay."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.compiled import inlined, kernel
from ..core.rules import call_rule, pointer_to

# Places in the books a kernel keeps.
LEFT, IMPRESSIONS, CLICKS = range(3)


@inlined
def wins(bid: Any, cap: Any, left: Any, price: Any) -> Any:
    """1 if a bid, cut down to a whole number, capped, and never above the budget left, is 1 at least and reaches the price.

    Otherwise 0: a bid of 0 is none, as in a world, and wins no auction at price 0.
    A number and no condition: callers multiply by it, because a branch on it is guessed wrong so often that it costs 5 ns.
    """
    return np.int64(max(price, np.int64(1)) <= min(np.int64(min(bid, np.float64(cap))), left))


@kernel(nogil=True)
def walk_bids(scale: Any, base: Any, rate: Any, price: Any, click: Any, cap: Any, books: Any, believed: Any) -> None:
    """Plays auctions with bids of scale x base; arrays have shape (auctions,)."""
    left, impressions, clicks, sum_of_rates = books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0]
    for i in range(price.size):
        won = wins(scale * base[i], cap, left, price[i])
        left -= price[i] * won
        impressions += won
        clicks += click[i] * won
        sum_of_rates += rate[i] * won
    books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0] = left, impressions, clicks, sum_of_rates


@kernel(nogil=True)
def walk_rule(
    rate: Any, price: Any, click: Any, cap: Any, requests_left: Any, address: Any, state: Any, books: Any, believed: Any,
    grace: Any,
) -> Any:  # fmt: skip
    """Plays auctions with a compiled rule. Returns the place of its first bid that is not allowed, where it stops, or -1."""
    left, impressions, clicks, sum_of_rates = books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0]
    row, width, bad = pointer_to(state, 0), state.size, -1
    for i in range(price.size):
        bid = call_rule(address, rate[i], left, requests_left - i, row, width)
        if not 0.0 <= bid < np.inf:
            bad = i
            break
        won = wins(bid * grace, cap, left, price[i])
        left -= price[i] * won
        impressions += won
        clicks += click[i] * won
        sum_of_rates += rate[i] * won
    books[LEFT], books[IMPRESSIONS], books[CLICKS], believed[0] = left, impressions, clicks, sum_of_rates
    return bad
