"""What a bidder may decide, in three forms, and what is said of what it may not.

`Multiplier`: a number per campaign until the next tick. `ChunkBids`: a bid for each request of a block. `RequestRule`: a
compiled function asked request by request. `RequestFunction`: the same in Python, a hundred times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Floats, Integers
from ...core.compiled import kernel
from ...core.errors import PolicyError
from ...core.money import LARGEST
from ...core.rules import PythonRule, Rule
from ..seat import Policy
from .view import BidView


class Requests(NamedTuple):
    """A block of n requests as the held campaigns see it, before they bid."""

    number: Integers  # (n,)
    segment: Integers  # (n,) of the user
    rate: Floats  # (held, n) believed conversions per impression


class Multiplier(NamedTuple):
    """Bid = multiplier x target x believed rate, until the next tick. `values` has shape (held,) or is one number."""

    values: Any


class ChunkBids(NamedTuple):
    """Bids by request: `bids(requests)` returns currency per impression, shape (held, n).

    It is asked when a block of up to 1,024 requests is drawn and again, for its unsettled rest, at each tick. So it sees a
    little ahead, across ticks, which no real bidder does: it is for scripted bids and experiments.
    """

    bids: Callable[[Requests], Any]


class RequestRule(NamedTuple):
    """Bids by a compiled rule, asked request by request (see `rules.Rule`).

    `state` has shape (held, width): a row of the rule's own for each campaign, which the rule may change. The array is
    brought up to date in place before each tick.
    """

    rule: Rule | PythonRule
    state: Floats


class RequestFunction(NamedTuple):
    """Bids by any Python function, asked request by request: `bid(campaign, rate, budget_left, requests_left)`.

    `campaign` is its place among those that the policy holds, `rate` the believed conversions per impression, `requests_left`
    the forecast for the rest of the day, this one included. It returns currency per impression, and the market caps that at
    `budget_left`, which is currency, too, and inf where there is no limit.
    """

    bid: Callable[[int, float, float, int], float]


Decision = Multiplier | ChunkBids | RequestRule | RequestFunction


class BidPolicy(Policy[BidView, Decision]):
    """Base of bidders, which are asked as each tick opens; the units they hold are campaigns."""

    seat = "bidding"


BidPolicies = BidPolicy | Mapping[int | str, BidPolicy]


def checked(who: str, decision: Any, held: int, parts: int) -> Decision:
    """A decision as seats carry it out: multipliers are an array (held,), a Python function is the rule that kernels ask.

    `parts` is how many units of money the kernels count for one of currency. Raises `PolicyError`, in the name of `who`, if the
    decision is not allowed.
    """
    if isinstance(decision, Multiplier):  # as nearly all are
        return Multiplier(_checked_multipliers(who, decision, held))
    _check_form(who, decision, held)
    if isinstance(decision, RequestFunction):
        return _as_rule(decision, held, parts)
    kept: Decision = decision
    return kept


def _checked_multipliers(who: str, decision: Multiplier, held: int) -> Floats:
    """The multipliers of a decision, shape (held,). Raises `PolicyError` if they are not that, or not allowed."""
    try:
        values = np.asarray(decision.values, np.float64)
        if values.shape != (held,):
            values = np.broadcast_to(values, (held,))
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must decide a number for each of its {held} campaigns, not {decision.values!r}") from None
    if not are_allowed(values):
        bad = values[~((values >= 0) & (values <= LARGEST))][0]
        raise PolicyError(f"{who} decided the multiplier {bad}: numbers from 0 to {LARGEST:g} are allowed")
    return values


@kernel()
def are_allowed(multipliers: Any) -> Any:
    """Whether all of them are numbers from 0 to the largest."""
    allowed = True
    for n in range(multipliers.size):
        allowed &= 0.0 <= multipliers[n] <= LARGEST
    return allowed


def _check_form(who: str, decision: Any, held: int) -> None:
    """Raises `PolicyError` unless this is a decision by request, its rule's state in order."""
    if isinstance(decision, ChunkBids) and not callable(decision.bids):
        raise PolicyError(f"the ChunkBids of {who} need a function of a block's requests, not {decision.bids!r}")
    if isinstance(decision, RequestFunction) and not callable(decision.bid):
        raise PolicyError(f"the RequestFunction of {who} needs a function of a request, not {decision.bid!r}")
    if isinstance(decision, RequestRule):
        if not isinstance(decision.rule, Rule | PythonRule):
            raise PolicyError(f"the RequestRule of {who} needs a function compiled by @rule, not {decision.rule!r}")
        state = decision.state
        kind = getattr(state, "dtype", type(state).__name__)
        if kind != np.float64 or state.ndim != 2 or state.shape[0] != held or not state.flags.writeable:
            shape = f" of shape {np.shape(state)}" if kind == np.float64 else ""
            raise PolicyError(
                f"the state of {who}'s rule must be writeable float64 of shape ({held}, width), not {kind}{shape}"
            )
    elif not isinstance(decision, ChunkBids | RequestFunction):
        forms = "a Multiplier, ChunkBids, a RequestRule or a RequestFunction"
        raise PolicyError(f"{who} must decide {forms}, not {type(decision).__name__}")


def _as_rule(decision: RequestFunction, held: int, parts: int) -> RequestRule:
    """A Python function as the rule that kernels ask; see `PythonRule` for `parts`."""
    return RequestRule(PythonRule(decision.bid, parts), np.arange(held, dtype=np.float64)[:, None])


def checked_bids(who: str, decision: ChunkBids, requests: Requests) -> Floats:
    """Asks for bids on a block, shape (held, n). Raises `PolicyError` if they are not that, or not allowed."""
    given = decision.bids(requests)
    try:
        bids = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must bid numbers, not {type(given).__name__}") from None
    if bids.shape != requests.rate.shape:
        raise PolicyError(f"{who} must bid for (campaigns, requests) = {requests.rate.shape}, not {bids.shape}")
    if bids.size and not 0 <= bids.min() <= bids.max() <= LARGEST:
        bad = bids[~((bids >= 0) & (bids <= LARGEST))][0]
        raise PolicyError(f"{who} bid {bad}: numbers from 0 to {LARGEST:g} are allowed")
    return bids
