"""How a world fills the bid seat: who holds which campaigns, what they see, and what becomes of their decisions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...books.ledger import Ledger
from ...core.arrays import CHUNK, Floats
from ...core.chance import Stream, generator
from ...core.compiled import entry, inlined, kernel
from ...core.errors import PolicyError, suggest
from ...core.money import MICRO, UNLIMITED
from ...engine.exchange import Exchange
from ...engine.state import SUMS_TOLD, Control, Count
from ...market.market import Market
from ...response.leads import LEADS_TOLD
from .decisions import (
    BidPolicies,
    BidPolicy,
    BidView,
    ChunkBids,
    Decision,
    History,
    Multiplier,
    RequestRule,
    Requests,
    Told,
    ToldLeads,
    check_form,
    checked_bids,
    checked_multipliers,
)

# How many of the fields of `Told` are counts, in the order of the kernel's rows, and how many sums: spend, then the kernel's.
COUNTS_SEEN, SUMS_SEEN = Count.SPEND, 1 + SUMS_TOLD
STANDING = 7  # target, value, multiplier, budget, budget left, price, share of the budget spent
_numbers = itertools.count(1)  # of the seats of all worlds


class _Holding:
    """A policy, the campaigns it holds, what it sees of them that never changes, and its standing decision."""

    def __init__(self, policy: BidPolicy, held: list[int], market: Market) -> None:
        self.policy, self.held = policy, np.array(held)
        self.name = type(policy).__name__
        self.names = tuple(market.campaigns.names[k] for k in held)
        self.objectives = tuple(market.campaigns.listed[k].objective for k in held)
        self.prior = _frozen(market.campaigns.prior[held])
        expected = market.expected
        self.history = History(
            impressions=_frozen(expected.impressions[held]),
            conversions=_frozen(expected.conversions[held]),
            spend=_frozen(expected.spend[held]),
            rate=_frozen(expected.rate[held]),
            prices=None if expected.prices is None else _frozen(expected.prices[held]),
            price_unit=None if expected.price_unit is None else _frozen(expected.price_unit[held]),
        )
        self.decision: Decision | None = None
        self.offer_rows = slice(0, 0)
        self.state_span = slice(0, 0)


class BidSeat:
    """Asks the policies of a world at each tick and puts their decisions into the exchange."""

    def __init__(self, exchange: Exchange, ledger: Ledger, policies: BidPolicies | None) -> None:
        self._exchange, self._ledger, self._number = exchange, ledger, next(_numbers)
        self._holdings = [_Holding(p, held, exchange.market) for p, held in _grouped(exchange, policies)]
        self._price_told = exchange.scenario.auction.price_told
        campaigns = len(exchange.multiplier)
        self._nothing = (
            np.zeros_like(exchange.state.tally.counts),
            np.zeros_like(exchange.state.tally.sums),
        )  # told before the first tick
        self._no_price = np.full(campaigns, np.nan)
        row = exchange.state.terms.spent
        self._look = entry(
            look, row, *self._nothing, *self._nothing, exchange.target, exchange.target, exchange.multiplier, row, row, row,
            self._no_price,
            np.empty((0, 0), np.int64), np.empty((0, 0)),
        )  # fmt: skip
        exchange.on_scores.append(self._ask_for_offers)

    def decide(self, day: int, tick: int) -> None:
        """One round of decisions at the start of a tick."""
        changed = False
        for number, holding in enumerate(self._holdings):
            if isinstance(holding.decision, RequestRule):
                span = self._exchange.state.rules.state[holding.state_span]
                holding.decision.state[:] = span.reshape(holding.decision.state.shape)
            view = self._view(holding, day, tick)
            if self._ledger.closed == 0:
                dice = generator(self._exchange.seed, Stream.POLICY, number)
                object.__setattr__(holding.policy, "_sits_in", self._number)  # it may be a frozen dataclass
                holding.policy.start(view, dice)
            elif holding.policy._sits_in != self._number:
                raise PolicyError(
                    f"{holding.name} has begun to decide for another world, and has forgotten this one: give each world that "
                    "runs by turns with others a policy of its own"
                )
            decision = holding.policy.decide(view)
            if decision is None:
                continue
            check_form(holding.name, decision, holding.held.size)
            if self._exchange.state.bids.who.size and not isinstance(decision, Multiplier):
                raise PolicyError(f"{holding.name} bids by request, but behind a funnel a campaign does not meet every request")
            changed |= type(decision) is not Multiplier or type(holding.decision) not in (Multiplier, type(None))
            holding.decision = decision
            self._exchange.multiplier[holding.held] = (
                checked_multipliers(holding.name, decision, holding.held.size) if isinstance(decision, Multiplier) else np.nan
            )
        if changed:
            self._lay_out()
        self._ask_for_offers(int(self._exchange.state.control[Control.NEXT] - self._exchange.state.control[Control.BASE]))

    def _view(self, holding: _Holding, day: int, tick: int) -> BidView:
        """What the held campaigns see now, in arrays of their own."""
        exchange, ledger, held = self._exchange, self._ledger, holding.held
        state, last = exchange.state, ledger.closed - 1
        ints, floats = np.empty((2 * COUNTS_SEEN, held.size), np.int64), np.empty((2 * SUMS_SEEN + STANDING, held.size))
        self._look(
            held, *((ledger.counts[last], ledger.sums[last]) if last >= 0 else self._nothing), ledger.today_counts,
            ledger.today_sums, exchange.target, state.terms.value, exchange.multiplier, state.terms.allowance,
            exchange.day_spent, state.terms.spent,
            ledger.market_price[last] if last >= 0 and self._price_told else self._no_price, ints, floats,
        )  # fmt: skip
        last_counts, today_counts = ints[:COUNTS_SEEN], ints[COUNTS_SEEN:]
        last_sums, today_sums, standing = floats[:SUMS_SEEN], floats[SUMS_SEEN : 2 * SUMS_SEEN], floats[2 * SUMS_SEEN :]
        target, value, multiplier, budget, left, price, spent_share = standing
        return BidView(
            day=day,
            tick=tick,
            ticks=exchange.shares.size,
            campaigns=holding.names,
            objectives=holding.objectives,
            active=state.terms.active.take(held),
            could_bid=exchange.presence.could_bid.take(held),
            reach=exchange.presence.reach.take(held),
            target=target,
            value=value,
            prior=holding.prior,
            multiplier=multiplier,
            budget=budget,
            budget_left=left,
            spent_share=spent_share,
            forecast=exchange.shares,
            elapsed=exchange.elapsed[tick],
            forecast_requests=float(exchange.scenario.expected_requests),
            last=Told(*last_counts, *last_sums),
            today=Told(*today_counts, *today_sums),
            market_price=price,
            history=holding.history,
            last_leads=self._told_leads(held, 1 if last >= 0 else 0),
            today_leads=self._told_leads(held, ledger.closed - day * exchange.shares.size),
        )

    def _told_leads(self, held: NDArray[np.int64], ticks: int) -> ToldLeads | None:
        """What held campaigns were told of their leads in the latest ticks, in arrays of their own."""
        books, closed = self._ledger.leads, self._ledger.closed
        if books is None:
            return None
        return ToldLeads(*books.counts[closed - ticks : closed, :LEADS_TOLD].sum(axis=0).take(held, axis=1))

    def _lay_out(self) -> None:
        """Gives rows to those who make offers and state to those who bid by rule."""
        state = self._exchange.state
        offer_row = np.full_like(state.bids.offer_row, -1)
        addresses: list[int] = []
        campaigns: list[int] = []
        first, states = [0], []
        row = 0
        for holding in self._holdings:
            decision = holding.decision
            if isinstance(decision, ChunkBids):
                holding.offer_rows = slice(row, row + holding.held.size)
                offer_row[holding.held] = np.arange(row, row + holding.held.size)
                row += holding.held.size
            elif isinstance(decision, RequestRule):
                width = decision.state.shape[1]
                holding.state_span = slice(first[-1], first[-1] + decision.state.size)
                for k in holding.held:
                    campaigns.append(int(k))
                    addresses.append(decision.rule.address)
                    first.append(first[-1] + width)
                states.append(decision.state.ravel())
        offer = state.bids.offer
        if not np.array_equal(
            offer_row, state.bids.offer_row
        ):  # bids for requests that wait for servers go with their campaign
            stay = (offer_row >= 0) & (state.bids.offer_row >= 0)
            offer = np.zeros((row, state.block.times.size), np.float32)
            if stay.any():
                offer[offer_row[stay]] = state.bids.offer[state.bids.offer_row[stay]]
        self._exchange.replace("bids", offer=offer, offer_row=offer_row)
        self._exchange.replace(
            "rules",
            address=np.array(addresses, np.int64),
            campaign=np.array(campaigns, np.int64),
            first=np.array(first, np.int64),
            state=np.concatenate(states) if states else np.zeros(0),
            word=np.zeros(len(addresses), np.int64),
        )

    def _ask_for_offers(self, start: int) -> None:
        """Asks for bids on the requests of the block from place `start` on."""
        state = self._exchange.state
        if not state.control[Control.SCORED] or start >= CHUNK:
            return
        rest = slice(start, CHUNK)
        for holding in self._holdings:
            if not isinstance(holding.decision, ChunkBids):
                continue
            users = self._exchange.market.users
            requests = Requests(
                number=np.arange(state.control[Control.BASE] + start, state.control[Control.SCORED]),
                segment=users.segment[state.block.users[rest]],
                rate=state.bids.rate[holding.held, rest] * state.terms.believed_conversion[holding.held, None],
            )
            offers = state.bids.offer[holding.offer_rows]
            offers[:, rest] = checked_bids(holding.name, holding.decision, requests) * MICRO
            # Those of requests that have come and still wait count, too.
            asked = offers[:, rest] if self._exchange.queue is None else offers
            self._exchange.offer_bound[holding.held] = asked.max(axis=1)


@kernel()
def look(
    held: Any, counts: Any, sums: Any, today_counts: Any, today_sums: Any, target: Any, value: Any, multiplier: Any,
    allowance: Any, day_spent: Any, spent: Any, price: Any, ints: Any, floats: Any,
) -> None:  # fmt: skip
    """Copies what the held campaigns are told: the last tick, today, and how they stand; money becomes currency."""
    for n in range(held.size):
        k = held[n]
        for row in range(COUNTS_SEEN):
            ints[row, n] = counts[row, k]
            ints[COUNTS_SEEN + row, n] = today_counts[row, k]
        floats[0, n] = counts[Count.SPEND, k] / MICRO
        floats[SUMS_SEEN, n] = today_counts[Count.SPEND, k] / MICRO
        for row in range(SUMS_TOLD):
            floats[1 + row, n] = sums[row, k]
            floats[SUMS_SEEN + 1 + row, n] = today_sums[row, k]
        standing = floats[2 * SUMS_SEEN :, n]
        standing[0], standing[1], standing[2] = target[k], value[k], multiplier[k]
        budget = currency(allowance[k] - day_spent[k])
        standing[3], standing[4], standing[5] = budget, currency(allowance[k] - spent[k]), price[k]
        standing[6] = floats[SUMS_SEEN, n] / budget if budget > 0 else 1.0


@inlined
def currency(money: Any) -> Any:
    """An amount of money; inf where there is no limit."""
    return np.inf if money >= UNLIMITED // 2 else money / MICRO


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array


def _grouped(exchange: Exchange, policies: BidPolicies | None) -> list[tuple[BidPolicy, list[int]]]:
    """Each policy once, with the campaigns it holds, in the order in which the policies were named."""
    if policies is None:
        return []
    everyone = range(len(exchange.multiplier))
    pairs = dict.fromkeys(everyone, policies) if isinstance(policies, BidPolicy) else policies
    if not isinstance(pairs, Mapping):
        raise PolicyError(f"the bid seat takes a policy or a mapping from campaigns to policies, not {type(policies).__name__}")
    groups: dict[int, tuple[BidPolicy, list[int]]] = {}
    taken: set[int] = set()
    for campaign, policy in pairs.items():
        k = exchange.market.campaigns.place(campaign)
        if k is None:
            raise PolicyError(f"there is no campaign {campaign!r}{suggest(str(campaign), exchange.market.campaigns.names)}")
        if k in taken:
            raise PolicyError(f"campaign {exchange.market.campaigns.names[k]!r} is held twice")
        if not isinstance(policy, BidPolicy):
            raise PolicyError(f"campaign {campaign!r} needs a BidPolicy, not {type(policy).__name__}")
        taken.add(k)
        groups.setdefault(id(policy), (policy, []))[1].append(k)
    return list(groups.values())
