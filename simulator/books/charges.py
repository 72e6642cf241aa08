"""What campaigns were charged, row by row, so that the sums are the ledger's to the millionth.

Impressions and clicks are charged at once. Conversions are charged when the tick closes in which they are reported, in the
order of their reports, as far as the budget goes; what lies beyond it is written off.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ..core.arrays import Integers
from ..core.money import MICRO
from ..engine.state import JOURNAL_INTS, Control, Count, State
from ..population.campaigns import Billing
from .ledger import Ledger
from .schemas import CHARGES

REQUEST, TIME, CAMPAIGN, AD, SLOT = (JOURNAL_INTS.index(name) for name in ("request", "time_us", "campaign", "ad", "slot"))
REPORT, CREATIVE, CHARGE, OWED = (JOURNAL_INTS.index(name) for name in ("report_us", "creative", "charge", "owed"))
WHAT = ("impression", "click", "conversion")  # by the codes of `Billing`


class Charges:
    """Follows the impressions of one world to what they cost; `ledger` is the world's, rows are those of `JOURNAL_INTS`."""

    def __init__(self, ledger: Ledger, state: State) -> None:
        self._ledger, self._tick_us = ledger, int(state.control[Control.TICK_US])
        self._last_tick = int(state.control[Control.LAST_TICK]) - 1  # with which all that is reported later falls due
        self._billing = state.terms.billing
        self._awaited = np.zeros((0, len(JOURNAL_INTS)), np.int64)  # impressions whose conversions are to be charged for

    def at_once(self, rows: Integers) -> pa.Table:
        """What is charged of impressions (n, columns) as they happen; those that owe something are kept for `settled`."""
        self._awaited = np.concatenate([self._awaited, rows[rows[:, OWED] > 0]])
        charged = rows[rows[:, CHARGE] > 0]
        return self._table(charged[:, TIME], charged, charged[:, CHARGE], np.zeros(len(charged), np.int64))

    def settled(self) -> pa.Table:
        """What was charged, and written off, for conversions in ticks that the ledger has closed since the last call."""
        due = np.minimum(self._awaited[:, REPORT] // self._tick_us, self._last_tick)
        now = due < self._ledger.closed
        rows, due = self._awaited[now], due[now]
        self._awaited = self._awaited[~now]
        order = np.lexsort((rows[:, SLOT], rows[:, REQUEST], rows[:, REPORT], rows[:, CAMPAIGN], due))
        rows, due = rows[order], due[order]
        owed, campaign = rows[:, OWED], rows[:, CAMPAIGN]
        # Of each tick and campaign: what is owed before a row, and so how much of what was paid is left for it.
        total = np.cumsum(owed) - owed
        first = np.flatnonzero((np.diff(due, prepend=-1) != 0) | (np.diff(campaign, prepend=-1) != 0))
        earlier = total - np.repeat(total[first], np.diff(np.append(first, len(rows))))
        paid = self._ledger.counts[due, Count.SPEND, campaign]
        charged = np.clip(paid - earlier, 0, owed)
        return self._table((due + 1) * self._tick_us, rows, charged, owed - charged)

    def _table(self, time: Integers, rows: Integers, charged: Integers, written_off: Integers) -> pa.Table:
        what = pa.DictionaryArray.from_arrays(pa.array(self._billing[rows[:, CAMPAIGN]].astype(np.int8)), pa.array(WHAT))
        places = [rows[:, column] for column in (CAMPAIGN, AD, CREATIVE, REQUEST, SLOT)]
        amounts = [charged / MICRO, written_off / MICRO, charged, written_off]
        return pa.table([time, what, *places, *amounts], schema=CHARGES)


assert tuple(Billing) == tuple(range(len(WHAT)))
