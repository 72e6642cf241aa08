"""Seats: what the holder of a decision sees, and what it may decide.

The bid seat knows three forms of decision: `Multiplier` (a number per campaign until the next tick), `ChunkBids` (a bid for
each request of a block) and `RequestRule` (a compiled function asked request by request). A policy sees only what a real
campaign is told: bids, wins, cost, conversions once reported, the forecast of traffic. The truth is not in a view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...core.errors import PolicyError
from ...core.money import LARGEST
from ...core.rules import Rule


class Told(NamedTuple):
    """What the held campaigns were told of a span of time; arrays have shape (held,)."""

    requests: Integers  # that came to the market
    wins: Integers  # slots won
    impressions: Integers  # slots seen by the user
    clicks: Integers
    conversions_reported: Integers  # reported in this span, whenever they happened
    spend: Floats  # currency
    believed_value: Floats  # sum of the platform's estimate of the impressions' value, currency
    offered: Floats  # sum of believed conversions per impression over all requests, won or lost


class ToldLeads(NamedTuple):
    """What held lead campaigns know of a span of time besides `Told`; arrays have shape (held,), 0 for other campaigns."""

    form_opens: Integers  # known at once; submits are conversions_reported
    qualified_reported: Integers  # leads found qualified in this span, whenever they were submitted


class History(NamedTuple):
    """An earlier day, as a campaign would have it in its reports; arrays have shape (held,), money in currency."""

    impressions: Floats
    conversions: Floats
    spend: Floats
    rate: Floats  # mean believed conversion rate of an impression, over all requests, won or lost
    # (held, steps) earlier auctions by the least price that won them, a column for each step of `price_unit` from 0 up; a
    # price between two steps counts as the upper. None: not known.
    prices: Floats | None = None
    price_unit: Floats | None = None  # currency; None with `prices`


class BidView(NamedTuple):
    """What a policy sees at the start of a tick; arrays have shape (held,) unless said otherwise, money in currency."""

    day: int
    tick: int  # of the day
    ticks: int  # of a day
    campaigns: tuple[str, ...]
    objectives: tuple[str, ...]  # of each: max_value, target_cpa, target_roas or utility
    active: NDArray[np.bool_]  # in flight and not paused
    could_bid: NDArray[np.bool_]  # active throughout the last tick, in which requests came: it can be learned from
    reach: Floats  # share of today's forecast traffic that has come while it was active, or is still to come
    target: Floats  # bid for a conversion at multiplier 1
    value: Floats  # of a conversion to the campaign now, by its own account
    prior: Floats  # multiplier of an earlier day
    multiplier: Floats  # in force; NaN where bids come by request
    budget: Floats  # of today; inf: unlimited
    budget_left: Floats
    spent_share: Floats  # spend of today over today's budget; 0 where it is unlimited, 1 where there is none to spend
    forecast: Floats  # (ticks,) expected shares of the day's requests, summing to 1
    elapsed: float  # sum of those before this tick
    forecast_requests: float  # of the whole day
    last: Told  # the tick that has just ended; zeros in the first tick of all
    today: Told  # the day so far
    market_price: Floats  # mean least winning cost of a slot in the last tick (as a rank if squashed); NaN: not told
    history: History
    last_leads: ToldLeads | None = None  # the tick that has just ended; None in a market without lead campaigns
    today_leads: ToldLeads | None = None  # the day so far
    rule_unit: float = 1e-6  # what 1 stands for in budgets and bids of a `RequestRule`, in currency

    @property
    def due(self) -> Floats:
        """What share of today's budget would be spent by now, at an even pace over the traffic within reach; (held,).

        `elapsed` for a campaign that has been active all day; what came while it was not is no reason to hurry.
        """
        met = self.elapsed - (1 - self.reach)
        return np.divide(met, self.reach, out=np.zeros_like(self.reach), where=self.reach > 0)


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

    rule: Rule
    state: Floats


Decision = Multiplier | ChunkBids | RequestRule


class BidPolicy:
    """Base of bidders. One object holds one or more campaigns of one world at a time, all arrays over those it holds."""

    _sits_in = 0  # the number of the seat that started it last

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        """Called once before the first decision of a run: forget earlier runs. `dice` are this policy's own."""

    def decide(self, view: BidView) -> Decision | None:
        """Called at the start of each tick; None keeps the last decision."""
        raise PolicyError(f"{type(self).__name__} does not say what it decides")


BidPolicies = BidPolicy | Mapping[int | str, BidPolicy]


def checked_multipliers(who: str, decision: Multiplier, held: int) -> Floats:
    """The multipliers of a decision, shape (held,). Raises `PolicyError` if they are not that, or not allowed."""
    try:
        values = np.asarray(decision.values, np.float64)
        if values.shape != (held,):
            values = np.broadcast_to(values, (held,))
    except (TypeError, ValueError):
        raise PolicyError(f"{who} must decide a number for each of its {held} campaigns, not {decision.values!r}") from None
    if held and not 0 <= np.minimum.reduce(values) <= np.maximum.reduce(values) <= LARGEST:
        bad = values[~((values >= 0) & (values <= LARGEST))][0]
        raise PolicyError(f"{who} decided the multiplier {bad}: numbers from 0 to {LARGEST:g} are allowed")
    return values


def check_form(who: str, decision: Any, held: int) -> None:
    """Raises `PolicyError` unless this is a decision, its rule's state in order."""
    if isinstance(decision, ChunkBids) and not callable(decision.bids):
        raise PolicyError(f"the ChunkBids of {who} need a function of a block's requests, not {decision.bids!r}")
    if isinstance(decision, RequestRule):
        if not isinstance(decision.rule, Rule):
            raise PolicyError(f"the RequestRule of {who} needs a function compiled by @rule, not {decision.rule!r}")
        state = decision.state
        kind = getattr(state, "dtype", type(state).__name__)
        if kind != np.float64 or state.ndim != 2 or state.shape[0] != held or not state.flags.writeable:
            shape = f" of shape {np.shape(state)}" if kind == np.float64 else ""
            raise PolicyError(
                f"the state of {who}'s rule must be writeable float64 of shape ({held}, width), not {kind}{shape}"
            )
    elif not isinstance(decision, Multiplier | ChunkBids):
        raise PolicyError(f"{who} must decide a Multiplier, ChunkBids or RequestRule, not {type(decision).__name__}")


def checked_bids(who: str, decision: ChunkBids, requests: Requests) -> Floats:
    """Asks for bids on a block, shape (held, n). Raises `PolicyError` if they are not that, or not allowed."""
    given = decision.bids(requests)
    try:
        bids = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise PolicyError(f"{who} must bid numbers, not {type(given).__name__}") from None
    if bids.shape != requests.rate.shape:
        raise PolicyError(f"{who} must bid for (campaigns, requests) = {requests.rate.shape}, not {bids.shape}")
    if bids.size and not 0 <= bids.min() <= bids.max() <= LARGEST:
        bad = bids[~((bids >= 0) & (bids <= LARGEST))][0]
        raise PolicyError(f"{who} bid {bad}: numbers from 0 to {LARGEST:g} are allowed")
    return bids
