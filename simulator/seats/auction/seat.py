"""The auction seat of a world: what whoever runs its auction is told, and what becomes of the rules."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.errors import PolicyError
from ...core.money import MICRO
from ...engine.exchange import Exchange
from ...market.rehearsal import SaleRules, rehearsal
from ...scenario.tree import Scenario
from ..bidding.teller import Teller, known
from ..seat import Holding, Moment, Policy, Seat
from .decisions import AuctionPolicy, Checked, checked
from .view import AuctionView


class AuctionSeat(Seat[AuctionView, Checked, Holding]):
    """The rules of the auction, for all campaigns together."""

    name = "auction"
    unit = "market"
    policy: ClassVar[type[Policy[Any, Any]]] = AuctionPolicy
    units = ("market",)

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """Nothing: every market has an auction."""
        return None

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._teller = exchange, Teller(exchange, ledger)
        campaigns = exchange.multiplier.size
        self._everybody = np.arange(campaigns)
        self._known = known(exchange.scenario, tuple(range(campaigns)))
        self._rehearsal = rehearsal(exchange.scenario)
        self._usual = self._rules()
        for array in (self._usual.reserve, self._usual.quality):
            array.flags.writeable = False

    def _rules(self) -> SaleRules:
        ranking = self._exchange.blocks.rating.ranking
        reserve = self._exchange.state.bids.floor.astype(np.float64) / MICRO
        return SaleRules(reserve, ranking.squashing, ranking.quality.astype(np.float64))

    def holding(self, policy: Policy[AuctionView, Checked], held: list[int]) -> Holding:
        """See `Seat.holding`."""
        return Holding(policy, held)

    def view(self, holding: Holding, moment: Moment) -> AuctionView:
        """See `AuctionView`."""
        (told,) = self._teller.views([self._known], moment)
        exchange, state = self._exchange, self._exchange.state
        bid = exchange.multiplier * exchange.target * state.bids.pace
        return AuctionView(
            told=told,
            vertical=exchange.market.campaigns.vertical,
            bid=np.where(state.terms.active, bid, 0.0),
            rules=self._rules(),
            usual=self._usual,
            rehearsal=self._rehearsal,
        )

    def check(self, holding: Holding, decision: Any) -> Checked:
        """See `Seat.check`."""
        found = checked(holding.name, decision, self._everybody.size)
        if found.squashing is not None and (why := self._exchange.keeps_from_squashing(found.squashing)) is not None:
            raise PolicyError(f"{holding.name} decided squashing {found.squashing:g}: {why}")
        return found

    def apply(self, holding: Holding, decision: Checked) -> None:
        """See `Seat.apply`."""
        now = self._rules()
        reserve = now.reserve if decision.reserve is None else decision.reserve
        quality = now.quality if decision.quality is None else decision.quality
        self._exchange.sell(self._everybody, reserve, quality, decision.squashing)
