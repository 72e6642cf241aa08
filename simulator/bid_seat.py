"""How a world fills the bid seat: who holds which campaigns, what they see, and what becomes of their decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel as K
from .chance import Stream, generator
from .demand import MICRO, UNLIMITED
from .errors import PolicyError, suggest
from .exchange import Exchange
from .ledger import Ledger
from .market import Market
from .seats import (
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
    check_form,
    checked_bids,
    checked_multipliers,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class _Holding:
    """A policy, the campaigns it holds, what it sees of them that never changes, and its standing decision."""

    def __init__(self, policy: BidPolicy, held: list[int], market: Market) -> None:
        self.policy, self.held = policy, np.array(held)
        self.name = type(policy).__name__
        self.names = tuple(market.campaigns.names[k] for k in held)
        self.objectives = tuple(market.campaigns.listed[k].objective for k in held)
        self.prior = _frozen(market.campaigns.prior[held])
        expected = market.expected
        past = (
            expected.impressions, expected.conversions, expected.spend, expected.rate, expected.prices, expected.price_unit,
        )  # fmt: skip
        self.history = History(*(_frozen(array[held]) for array in past))
        self.value = _frozen(market.campaigns.value[held])
        self.decision: Decision | None = None
        self.offer_rows = slice(0, 0)
        self.state_span = slice(0, 0)


class BidSeat:
    """Asks the policies of a world at each tick and puts their decisions into the exchange."""

    def __init__(self, exchange: Exchange, ledger: Ledger, policies: BidPolicies | None) -> None:
        self._exchange, self._ledger = exchange, ledger
        self._holdings = [_Holding(p, held, exchange.market) for p, held in _grouped(exchange, policies)]
        self._price_told = exchange.scenario.auction.price_told
        campaigns = len(exchange.multiplier)
        self._ints = np.zeros((2, K.COUNTS_TOLD, campaigns), np.int64)  # of the last tick, and of today
        self._floats = np.zeros((2, K.SUMS_TOLD, campaigns))
        self._now = np.full((5, campaigns), np.nan)  # target, multiplier, budget, budget left, price
        exchange.on_scores.append(self._ask_for_offers)

    def decide(self, day: int, tick: int) -> None:
        """One round of decisions at the start of a tick."""
        changed = False
        self._look()
        for number, holding in enumerate(self._holdings):
            if isinstance(holding.decision, RequestRule):
                span = self._exchange.state.rule_state[holding.state_span]
                holding.decision.state[:] = span.reshape(holding.decision.state.shape)
            view = self._view(holding, day, tick)
            if self._ledger.closed == 0:
                dice = generator(self._exchange.seed, Stream.POLICY, number)
                holding.policy.start(view, dice)
            decision = holding.policy.decide(view)
            if decision is None:
                continue
            check_form(holding.name, decision, holding.held.size)
            changed |= type(decision) is not Multiplier or type(holding.decision) not in (Multiplier, type(None))
            holding.decision = decision
            self._exchange.multiplier[holding.held] = (
                checked_multipliers(holding.name, decision, holding.held.size) if isinstance(decision, Multiplier) else np.nan
            )
        if changed:
            self._lay_out()
        self._ask_for_offers(int(self._exchange.state.control[K.NEXT] - self._exchange.state.control[K.BASE]))

    def _look(self) -> None:
        """Writes down what all campaigns together could see now; each holder is shown its columns."""
        exchange, ledger, state = self._exchange, self._ledger, self._exchange.state
        closed, ints, floats = ledger.closed, self._ints, self._floats
        if closed:
            ints[0], floats[0] = ledger.counts[closed - 1, : K.COUNTS_TOLD], ledger.sums[closed - 1, : K.SUMS_TOLD]
            if self._price_told:
                self._now[4] = ledger.market_price[closed - 1]
        ints[1], floats[1] = ledger.today_counts[: K.COUNTS_TOLD], ledger.today_sums[: K.SUMS_TOLD]
        self._now[0], self._now[1] = exchange.target, exchange.multiplier
        _to_currency(state.allowance - exchange.day_spent, self._now[2])
        _to_currency(state.allowance - state.spent, self._now[3])

    def _view(self, holding: _Holding, day: int, tick: int) -> BidView:
        """What the held campaigns see now, in arrays of their own."""
        exchange, held = self._exchange, holding.held
        last, today = (Told(*_columns(i, f)) for i, f in zip(self._ints.take(held, 2), self._floats.take(held, 2), strict=True))
        target, multiplier, budget, left, price = self._now.take(held, 1)
        return BidView(
            day=day,
            tick=tick,
            ticks=exchange.shares.size,
            campaigns=holding.names,
            objectives=holding.objectives,
            active=exchange.state.active.take(held),
            target=target,
            value=holding.value,
            prior=holding.prior,
            multiplier=multiplier,
            budget=budget,
            budget_left=left,
            forecast=exchange.shares,
            forecast_requests=float(exchange.scenario.traffic.requests_per_day),
            last=last,
            today=today,
            market_price=price,
            history=holding.history,
        )

    def _lay_out(self) -> None:
        """Gives rows to those who make offers and state to those who bid by rule."""
        state = self._exchange.state
        offer_row = np.full_like(state.offer_row, -1)
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
        offer = state.offer if len(state.offer) == row else np.zeros((row, K.CHUNK), np.float32)
        self._exchange.replace(
            offer=offer,
            offer_row=offer_row,
            rule_address=np.array(addresses, np.int64),
            rule_campaign=np.array(campaigns, np.int64),
            rule_first=np.array(first, np.int64),
            rule_state=np.concatenate(states) if states else np.zeros(0),
        )

    def _ask_for_offers(self, start: int) -> None:
        """Asks for bids on the requests of the block from place `start` on."""
        state = self._exchange.state
        if not state.control[K.SCORED] or start >= K.CHUNK:
            return
        for holding in self._holdings:
            if not isinstance(holding.decision, ChunkBids):
                continue
            users = self._exchange.market.users
            requests = Requests(
                number=np.arange(state.control[K.BASE] + start, state.control[K.SCORED]),
                segment=users.segment[state.users[start:]],
                rate=state.rate[holding.held, start:] * state.believed_conversion[holding.held, None],
            )
            state.offer[holding.offer_rows, start:] = checked_bids(holding.name, holding.decision, requests) * MICRO
            self._exchange.offer_bound[holding.held] = state.offer[holding.offer_rows, start:].max(axis=1)


def _columns(ints: Counts, floats: Floats) -> tuple[Any, ...]:
    """The fields of `Told` from the rows that campaigns are told."""
    requests, wins, impressions, clicks, reported, spend, _ = ints
    return requests, wins, impressions, clicks, reported, spend / MICRO, *floats


def _to_currency(money: Counts, out: Floats) -> None:
    np.divide(money, MICRO, out=out)
    out[money >= UNLIMITED // 2] = np.inf


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
