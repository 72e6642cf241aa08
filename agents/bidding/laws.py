"""What bidders work out at each tick, campaign by campaign, in compiled code: NumPy takes longer to be asked than to answer.

Policies say what it is for. Arrays are (held,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...simulator.core.compiled import inlined, kernel
from ...simulator.seats.bidding.view import due_of

DEPLETED = 0.01  # with less than this share of its budget left, a campaign's spend says nothing about its bid


@kernel()
def steer(
    elapsed: Any, reach: Any, spent_share: Any, budget: Any, could_bid: Any, kp: Any, ki: Any, kd: Any, bound: Any, summed: Any,
    before: Any, push: Any,
) -> None:  # fmt: skip
    """The law of `PID`: `push` is the exponent, `summed` and `before` are the errors of the day so far."""
    for n in range(push.size):
        error = due_of(elapsed, reach[n]) - spent_share[n] if budget[n] < np.inf else 0.0
        exponent = kp * error
        if ki > 0.0:
            summed[n] = within(summed[n] + (error if could_bid[n] else 0.0), bound / ki)
            exponent += ki * summed[n]
        if kd > 0.0:
            exponent += kd * (error - before[n])
        before[n], push[n] = error, within(exponent, bound)


@inlined
def within(x: Any, bound: Any) -> Any:
    """x, from -bound to bound."""
    return min(max(x, -bound), bound)


@inlined
def share_of(coming: Any, reach: Any) -> Any:
    """What share of the traffic within reach is `coming`, a share of all; 0 where none is."""
    return coming / reach if reach > 0.0 else 0.0


@kernel()
def all_shares(coming: Any, reach: Any, found: Any) -> None:
    """Fills `found` (held,) with such shares."""
    for n in range(found.size):
        found[n] = share_of(coming, reach[n])


@kernel()
def all_budgets(coming: Any, reach: Any, budget: Any, left: Any, found: Any) -> None:
    """Fills `found` (held,) with budgets of a tick in which so large a share of the forecast is `coming`."""
    for n in range(found.size):
        limited = budget[n] < np.inf and left[n] > DEPLETED * budget[n]
        found[n] = min(budget[n] * share_of(coming, reach[n]), left[n]) if limited else 0.0


@kernel()
def all_short(wanted: Any, spend: Any, learns: Any, short: Any) -> None:
    """Fills `short` (held,), of those who learn from it."""
    for n in range(short.size):
        short[n] = (wanted[n] - spend[n]) / wanted[n] if wanted[n] > 0.0 and learns[n] else 0.0
