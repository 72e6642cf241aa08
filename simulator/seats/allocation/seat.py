"""The allocation seat of a world: what is told of pages, and what becomes of decisions on them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats
from ...engine.desk import BUCKETS
from ...engine.exchange import Exchange
from ...response.pages import PageSum
from ...scenario.tree import Scenario
from ..rows import checked_chance
from ..seat import Holding, Moment, Policy, RequestSeat
from .decisions import AllocationPolicy, Decision, PageFunction, PageRule, Patterns, checked
from .view import AllocationView, facts


class AllocationSeat(RequestSeat[AllocationView, Decision, Holding]):
    """Which places of a page carry ads, by bucket of users."""

    name = "allocation"
    unit = "bucket"
    policy: ClassVar[type[Policy[Any, Any]]] = AllocationPolicy
    units = tuple(map(str, range(BUCKETS)))

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """See `Seat.missing`."""
        return "pages" if scenario.pages is None else None

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._desk = exchange, exchange.take_desk()
        self.facts = facts(exchange.scenario)
        self._users = np.bincount(self._desk.asking.bucket, minlength=BUCKETS)

    def holding(self, policy: Policy[AllocationView, Decision], held: list[int]) -> Holding:
        """See `Seat.holding`."""
        return Holding(policy, held)

    def view(self, holding: Holding, moment: Moment) -> AllocationView:
        """See `AllocationView`."""
        told = (PageSum.SESSIONS, PageSum.PAGES, PageSum.AD_PLACES, PageSum.ADS, PageSum.CONTENT, PageSum.CHARGED)
        bucket, sums = self._desk.asking.bucket, self._exchange.state.pages.users
        by_bucket = (np.bincount(bucket, sums[:, column], BUCKETS)[holding.held] for column in told)
        return AllocationView(moment.day, moment.tick, moment.ticks, self.facts, self._users[holding.held], *by_bucket)

    def check(self, holding: Holding, decision: Any) -> Decision:
        """See `Seat.check`."""
        return checked(holding.name, decision, holding.held.size, len(self.facts.ads), self.facts.users)

    def apply(self, holding: Holding, decision: Decision) -> None:
        """See `Seat.apply`."""
        if isinstance(decision, Patterns):
            self._desk.by_chance(holding.held, decision.chance)
        elif isinstance(decision, PageFunction):
            self._desk.by_function(holding.held, decision.decide)
        elif isinstance(decision, PageRule):
            assert decision.memory is not None
            assert decision.own is not None
            self._desk.by_rule(holding.held, decision.rule, decision.memory, decision.own)

    def leave_open(self, holding: Holding) -> None:
        """See `RequestSeat.leave_open`."""
        self._desk.leave_open(holding.held)

    def asked_unit(self) -> int | None:
        """See `RequestSeat.asked_unit`."""
        return self._desk.asked_bucket

    def show(self) -> Floats:
        """What is shown of the page that is asked about, (W,); see `engine.asking.Column`."""
        return self._desk.shown

    def check_answer(self, holding: Holding, decision: Any) -> Floats:
        """Probabilities of patterns, (P,), from those or one pattern's number."""
        given = decision.chance if isinstance(decision, Patterns) else decision
        return checked_chance(holding.name, given, (len(self.facts.ads),), "pattern")

    def answer(self, checked: Floats | None) -> None:
        """See `RequestSeat.answer`; None: the usual page."""
        bucket = self._desk.asked_bucket
        assert bucket is not None
        self._desk.answer(self._desk.asking.chance[bucket] if checked is None else checked)
