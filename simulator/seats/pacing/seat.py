"""The pacing seat of a world: what the platform is told of campaigns, and what becomes of its factors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats
from ...engine.exchange import Exchange
from ...market.rehearsal import rehearsal
from ...scenario.tree import Scenario
from ..bidding.teller import Teller, known
from ..bidding.view import Known
from ..seat import Holding, Moment, Policy, Seat
from .decisions import Pace, PacingPolicy, checked
from .view import PacingView


class PacingHolding(Holding):
    """A policy's campaigns, and what it knows of them that never changes."""

    def __init__(self, policy: Policy[Any, Any], held: list[int], known: Known) -> None:
        super().__init__(policy, held)
        self.known = known


class PacingSeat(Seat[PacingView, Pace, PacingHolding]):
    """By how much the platform lowers bids, and how often it keeps campaigns out of auctions."""

    name = "pacing"
    unit = "campaign"
    policy: ClassVar[type[Policy[Any, Any]]] = PacingPolicy

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """Nothing: every market has campaigns to pace."""
        return None

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._teller = exchange, Teller(exchange, ledger)
        self.units = exchange.market.campaigns.names
        self._rehearsal = rehearsal(exchange.scenario)

    def place(self, unit: int | str) -> int | None:
        """See `Seat.place`."""
        return self._exchange.market.campaigns.place(unit)

    def holding(self, policy: Policy[PacingView, Pace], held: list[int]) -> PacingHolding:
        """See `Seat.holding`."""
        return PacingHolding(policy, held, known(self._exchange.scenario, tuple(held)))

    def view(self, holding: PacingHolding, moment: Moment) -> PacingView:
        """See `PacingView`."""
        (told,) = self._teller.views([holding.known], moment)
        bids, bid = self._exchange.state.bids, self._bid()
        theirs = np.where(np.isnan(bid), self._exchange.target, bid) * bids.pace * bids.taking
        others = np.where(self._exchange.state.terms.active, theirs, 0.0)
        others[holding.held] = 0.0
        return PacingView(
            told=told,
            bid=bid[holding.held],
            factor=bids.pace[holding.held],
            participation=bids.taking[holding.held].astype(np.float64),
            places=holding.held.copy(),
            others=others,
            usual=self._exchange.market.campaigns.target,
            rehearsal=self._rehearsal,
        )

    def _bid(self) -> Floats:
        return self._exchange.multiplier * self._exchange.target

    def check(self, holding: PacingHolding, decision: Any) -> Pace:
        """See `Seat.check`."""
        return checked(holding.name, decision, holding.held.size)

    def apply(self, holding: PacingHolding, decision: Pace) -> None:
        """See `Seat.apply`; campaigns that bid by request are asked after it, since they decide later at the same tick."""
        self._exchange.pace(holding.held, decision.factor, decision.participation)
