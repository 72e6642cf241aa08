"""The bid seat of a world: what campaigns are told, and what becomes of their bids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import CHUNK, Floats, Integers
from ...core.chance import Stream, generator
from ...core.errors import PolicyError
from ...core.money import MICRO
from ...core.rules import PythonRule
from ...engine.exchange import Exchange
from ...engine.state import Control
from ...market.market import build
from ...response.leads import LEADS_TOLD
from ...scenario.tree import Scenario
from ..seat import Holding, Moment, Policy, Seat
from .decisions import BidPolicy, ChunkBids, Decision, Multiplier, RequestRule, Requests, checked, checked_bids
from .joint import JointBids
from .view import BidView, Facts, History, Known, Views


class BidHolding(Holding):
    """A bidder's campaigns, what it sees of them that never changes, and its standing decision."""

    def __init__(self, policy: Policy[Any, Any], held: list[int], known: Known) -> None:
        super().__init__(policy, held)
        self.known = known
        self.decision: Decision | None = None
        self.by_request = False  # whether that is one by request
        self.changes_layout = False  # whether it is, or the one before was, and nothing is laid out for it yet
        self.offer_rows = slice(0, 0)
        self.state_span = slice(0, 0)


class BidSeat(Seat[BidView, Decision, BidHolding]):
    """What campaigns bid."""

    name = "bidding"
    unit = "campaign"
    policy: ClassVar[type[Policy[Any, Any]]] = BidPolicy
    joint = JointBids

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """Nothing: every market has bidders."""
        return None

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._ledger = exchange, ledger
        self.units = exchange.market.campaigns.names
        self._holdings: list[BidHolding] = []
        self._price_told = exchange.scenario.auction.price_told
        self._nothing = (
            np.zeros_like(exchange.state.tally.counts),
            np.zeros_like(exchange.state.tally.sums),
        )  # told before the first tick
        self._no_price = np.full(len(self.units), np.nan)
        expected = float(exchange.scenario.expected_requests)
        self._facts, self._facts_at = self._look_up(), 0  # ticks closed when they were looked up
        self.maker = Views(exchange.forecast.shares, exchange.forecast.elapsed, expected, MICRO, self._facts)
        exchange.on_scores.append(self._ask_for_offers)
        exchange.on_fault.append(self._raise)

    def place(self, unit: int | str) -> int | None:
        """See `Seat.place`."""
        return self._exchange.market.campaigns.place(unit)

    def dice(self, seed: int, number: int) -> np.random.Generator:
        """See `Seat.dice`."""
        return generator(seed, Stream.POLICY, number)

    def holding(self, policy: Policy[BidView, Decision], held: list[int]) -> BidHolding:
        """See `Seat.holding`."""
        self._holdings.append(BidHolding(policy, held, _known(self._exchange.scenario, tuple(held))))
        return self._holdings[-1]

    def view(self, holding: BidHolding, moment: Moment) -> BidView:
        """See `BidView`."""
        (found,) = self._look_at([holding], moment)
        return found

    def views(self, holdings: Sequence[BidHolding], moment: Moment) -> list[BidView | None]:
        """See `Seat.views`: all in one look, a third quicker than each by itself."""
        shown = [holding for holding in holdings if not holding.is_elsewhere]
        found = iter(self._look_at(shown, moment) if shown else ())
        return [None if holding.is_elsewhere else next(found) for holding in holdings]

    def _look_at(self, holdings: Sequence[BidHolding], moment: Moment) -> list[BidView]:
        """What these holders see. The state of their rules is brought up to date first."""
        for holding in holdings:
            if isinstance(holding.decision, RequestRule):
                span = self._exchange.state.rules.state[holding.state_span]
                holding.decision.state[:] = span.reshape(holding.decision.state.shape)
        held = holdings[0].held if len(holdings) == 1 else np.concatenate([holding.held for holding in holdings])
        knowns = [holding.known for holding in holdings]
        return self.maker.views(knowns, moment, [(held, self.facts())], self.told_leads(held, moment))

    def facts(self) -> Facts:
        """What there is to tell now; the same arrays until a tick closes, whatever is in them by then."""
        if self._facts_at != self._ledger.closed:
            self._facts, self._facts_at = self._look_up(), self._ledger.closed
        return self._facts

    def _look_up(self) -> Facts:
        exchange, ledger, state, last = self._exchange, self._ledger, self._exchange.state, self._ledger.closed - 1
        counts, sums = (ledger.counts[last], ledger.sums[last]) if last >= 0 else self._nothing
        price = ledger.market_price[last] if last >= 0 and self._price_told else self._no_price
        presence = exchange.presence
        terms = state.terms
        return Facts(
            counts, sums, ledger.today_counts, ledger.today_sums, exchange.target, terms.value, exchange.multiplier,
            terms.allowance, exchange.day_spent, terms.spent, price, terms.active, presence.could_bid, presence.reach,
        )  # fmt: skip

    def told_leads(self, held: Integers, moment: Moment) -> Integers | None:
        """What held campaigns were told of their leads: `ToldLeads` of the last tick, then of today, (2 LEADS_TOLD, held)."""
        books, closed = self._ledger.leads, self._ledger.closed
        if books is None:
            return None
        spans = min(closed, 1), closed - moment.day * moment.ticks  # ticks that have closed
        told = [books.counts[closed - ticks : closed, :LEADS_TOLD].sum(axis=0).take(held, axis=1) for ticks in spans]
        return np.concatenate(told)

    def check(self, holding: BidHolding, decision: Any) -> Decision:
        """See `Seat.check`; multipliers become an array (held,)."""
        found = checked(holding.name, decision, holding.held.size, MICRO)
        if not isinstance(found, Multiplier) and self._exchange.state.bids.who.size:
            raise PolicyError(f"{holding.name} bids by request, but behind a funnel a campaign does not meet every request")
        return found

    def apply(self, holding: BidHolding, decision: Decision) -> None:
        """See `Seat.apply`."""
        by_request = not isinstance(decision, Multiplier)
        holding.changes_layout = by_request or holding.by_request
        holding.decision, holding.by_request = decision, by_request
        self._exchange.multiplier[holding.held] = decision.values if isinstance(decision, Multiplier) else np.nan

    def close(self, changed: bool) -> None:
        """Lays bids by request out, and asks for those of the block under way."""
        if changed and any(holding.changes_layout for holding in self._holdings):
            self._lay_out()
            for holding in self._holdings:
                holding.changes_layout = False
        control = self._exchange.state.control
        self._ask_for_offers(int(control[Control.NEXT] - control[Control.BASE]))

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

    def _raise(self, k: int) -> None:
        """Raises what the Python function that bids for a campaign has raised, if it has."""
        for holding in self._holdings:
            rule = holding.decision.rule if isinstance(holding.decision, RequestRule) else None
            if k in holding.held and isinstance(rule, PythonRule) and rule.error is not None:
                raise rule.error

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


@lru_cache(maxsize=32)
def _known(scenario: Scenario, held: tuple[int, ...]) -> Known:
    """What never changes of held campaigns; worlds of one market share it."""
    market = build(scenario)
    table, expected, places = market.campaigns, market.expected, list(held)
    history = History(
        impressions=_frozen(expected.impressions[places]),
        conversions=_frozen(expected.conversions[places]),
        spend=_frozen(expected.spend[places]),
        rate=_frozen(expected.rate[places]),
        prices=None if expected.prices is None else _frozen(expected.prices[places]),
        price_unit=None if expected.price_unit is None else _frozen(expected.price_unit[places]),
    )
    names = tuple(table.names[k] for k in places)
    objectives = tuple(table.listed[k].objective for k in places)
    return Known(np.array(places), names, objectives, _frozen(table.prior[places]), history)


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
