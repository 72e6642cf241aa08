"""The bid seat of a world: what campaigns are told, and what becomes of their bids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import CHUNK
from ...core.chance import Stream, generator
from ...core.errors import PolicyError
from ...core.money import MICRO
from ...core.rules import PythonRule
from ...engine.exchange import Exchange
from ...engine.state import Control
from ...scenario.tree import Scenario
from ..seat import Holding, Moment, Policy, Seat
from .decisions import BidPolicy, ChunkBids, Decision, Multiplier, RequestRule, Requests, checked, checked_bids
from .joint import JointBids
from .teller import Teller, known
from .view import BidView, Known


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
        self._exchange = exchange
        self.units = exchange.market.campaigns.names
        self._holdings: list[BidHolding] = []
        self.teller = Teller(exchange, ledger)
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
        self._holdings.append(BidHolding(policy, held, known(self._exchange.scenario, tuple(held))))
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
        return self.teller.views([holding.known for holding in holdings], moment)

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
            if (pace := state.bids.pace[holding.held]).min() < 1:
                offers[:, rest] *= pace[:, None]
            # Those of requests that have come and still wait count, too.
            asked = offers[:, rest] if self._exchange.queue is None else offers
            self._exchange.offer_bound[holding.held] = asked.max(axis=1)
