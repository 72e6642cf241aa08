"""Who tells what becomes of campaigns: from the books of a world, to bidders, and to others who decide about campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...books.ledger import Ledger
from ...core.arrays import Floats, Integers
from ...core.money import MICRO
from ...engine.exchange import Exchange
from ...market.market import build
from ...response.leads import LEADS_TOLD
from ...scenario.tree import Scenario
from ..seat import Moment
from .view import BidView, Facts, History, Known, Views


class Teller:
    """Tells of the campaigns of one world."""

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange, self._ledger = exchange, ledger
        self._price_told = exchange.scenario.auction.price_told
        tally = exchange.state.tally
        self._nothing = np.zeros_like(tally.counts), np.zeros_like(tally.sums)  # told before the first tick
        self._no_price = np.full(exchange.multiplier.size, np.nan)
        expected = float(exchange.scenario.expected_requests)
        self._facts, self._facts_at = self._look_up(), 0  # ticks closed when they were looked up
        self.maker = Views(exchange.forecast.shares, exchange.forecast.elapsed, expected, MICRO, self._facts)

    def views(self, knowns: Sequence[Known], moment: Moment) -> list[BidView]:
        """What there is to see of campaigns, those of each of `knowns` in a view of its own: all in one look."""
        held = knowns[0].held if len(knowns) == 1 else np.concatenate([known.held for known in knowns])
        return self.maker.views(knowns, moment, [(held, self.facts())], self.leads(held, moment))

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

    def leads(self, held: Integers, moment: Moment) -> Integers | None:
        """What held campaigns were told of their leads: `ToldLeads` of the last tick, then of today, (2 LEADS_TOLD, held)."""
        books, closed = self._ledger.leads, self._ledger.closed
        if books is None:
            return None
        spans = min(closed, 1), closed - moment.day * moment.ticks  # ticks that have closed
        told = [books.counts[closed - ticks : closed, :LEADS_TOLD].sum(axis=0).take(held, axis=1) for ticks in spans]
        return np.concatenate(told)


@lru_cache(maxsize=256)
def known(scenario: Scenario, held: tuple[int, ...]) -> Known:
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
