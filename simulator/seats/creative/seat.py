"""The creative seat of a world: what is told of creatives, and what becomes of decisions on them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...books.ledger import Ledger
from ...core.arrays import Floats
from ...core.errors import PolicyError
from ...delivery.rotation import set_shares
from ...engine.exchange import Exchange
from ...population.creatives import ad_names
from ...scenario.tree import Scenario
from ..rows import checked_chance
from ..seat import Holding, Moment, Policy, RequestSeat
from .decisions import CreativeFunction, CreativePolicy, CreativeRule, Decision, Shares, checked
from .facts import facts
from .view import CreativeView


class CreativeSeat(RequestSeat[CreativeView, Decision, Holding]):
    """Which of its creatives an ad shows, by ad."""

    name = "creative"
    unit = "ad"
    policy: ClassVar[type[Policy[Any, Any]]] = CreativePolicy

    @staticmethod
    def missing(scenario: Scenario) -> str | None:
        """See `Seat.missing`."""
        return "creatives" if scenario.creatives is None else None

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._desk = exchange, exchange.take_creative_desk()
        self._casting, market, scenario = self._desk.casting, exchange.market, exchange.scenario
        portfolio = market.creatives
        assert portfolio is not None
        self.units = ad_names(market.campaigns)
        self._first, self._count = portfolio.first, np.diff(portfolio.first)
        self.facts = facts(scenario)
        self._most = self.facts.creatives
        self._places = np.minimum(portfolio.first[:-1, None] + np.arange(self._most), portfolio.ad.size - 1)
        self._real = np.arange(self._most) < self._count[:, None]

    def holding(self, policy: Policy[CreativeView, Decision], held: list[int]) -> Holding:
        """See `Seat.holding`."""
        return Holding(policy, held)

    def view(self, holding: Holding, moment: Moment) -> CreativeView:
        """See `CreativeView`."""
        casting, held = self._casting, holding.held
        places, real, born = self._places[held], self._real[held], self._exchange.state.rotation.born
        return CreativeView(
            day=moment.day,
            tick=moment.tick,
            ticks=moment.ticks,
            facts=self.facts,
            ad=held.copy(),
            there=real & (born[places] <= moment.now_us) if born.size else real.copy(),
            format=np.where(real, casting.format[places], -1),
            content=np.where(real, casting.content[places], 0.0),
            shown=_where(real, casting.impressions[places]),
            clicks=_where(real, casting.clicks[places]),
            expected=_where(real, casting.expected[places]),
            reported=np.where(real, self._desk.reported(moment.now_us)[places], 0),
        )

    def check(self, holding: Holding, decision: Any) -> Decision:
        """See `Seat.check`."""
        return checked(holding.name, decision, self._count[holding.held], self._most, self.facts.ads)

    def apply(self, holding: Holding, decision: Decision) -> None:
        """See `Seat.apply`."""
        if isinstance(decision, Shares):
            for ad, shares in zip(holding.held.tolist(), decision.values, strict=True):
                set_shares(self._exchange.state.rotation, ad, shares[: self._count[ad]])
            self._desk.by_shares(holding.held)
        elif isinstance(decision, CreativeFunction):
            self._desk.by_function(holding.held, decision.decide)
        elif isinstance(decision, CreativeRule):
            assert decision.memory is not None
            assert decision.own is not None
            self._desk.by_rule(holding.held, decision.rule, decision.memory, decision.own)

    def leave_open(self, holding: Holding) -> None:
        """See `RequestSeat.leave_open`."""
        self._desk.leave_open(holding.held)

    def asked_unit(self) -> int | None:
        """See `RequestSeat.asked_unit`."""
        return self._desk.asked_ad

    def show(self) -> Floats:
        """What is shown of the impression that is asked about, (W,); see `engine.casting.Column` and `view.rows_of`."""
        return self._desk.shown

    def check_answer(self, holding: Holding, decision: Any) -> Floats:
        """Probabilities of the ad's creatives, (C,), from those or one's place; of those that have come alone."""
        given = decision.values if isinstance(decision, Shares) else decision
        chance = checked_chance(holding.name, given, (self._most,), "creative")
        ad = self._asked()
        early = np.flatnonzero((chance > 0) & ~self._desk.there(ad, self._exchange.asked_us))
        if early.size:
            why = f"of which there are {self._count[ad]}" if early[0] >= self._count[ad] else "which has not come yet"
            raise PolicyError(f"{holding.name} cast creative {early[0]} of ad {self.units[ad]!r}, {why}")
        return chance

    def answer(self, checked: Floats | None) -> None:
        """See `RequestSeat.answer`; None: any of those that have come, evenly."""
        there = self._desk.there(self._asked(), self._exchange.asked_us)
        self._desk.answer(there / there.sum() if checked is None else checked)

    def _asked(self) -> int:
        ad = self._desk.asked_ad
        assert ad is not None
        return ad


def _where(real: NDArray[np.bool_], counts: Any) -> Any:
    """Counts (held, C, S), 0 where an ad has no such creative."""
    return np.where(real[:, :, None], counts, 0)
