"""The books: money and counts per campaign and tick, and the invariants they must keep.

Money is whole millionths of currency, summed request by request, so that nothing is lost to rounding. What a campaign
is told stands in the first rows of each array (see `kernel`); conversions not yet reported and true values are for the
judge alone. Charges by conversion are booked when it is reported; when the last tick closes, what is still owed falls due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.addressed import Addressed
from ..core.arrays import Floats, Integers
from ..core.books import Books, Tick
from ..core.compiled import entry, inlined, kernel
from ..core.errors import InvariantError
from ..core.money import MICRO
from ..core.notebook import titled
from ..engine.state import Control, Count, State, Sum
from ..population.campaigns import Campaigns
from ..response.leads import LeadBooks, LeadCount
from ..response.organic import IncrementBooks

if TYPE_CHECKING:
    import pandas as pd


TOLD = ["spend", "impressions", "clicks", "conversions", "value"]  # columns that a notebook shows
MOST_TOLD = 20  # campaigns


class Ledger(Books):
    """A row per campaign and closed tick; read it with `to_frame`, or through its arrays (ticks, campaigns).

    Its counters are those of the kernels' state, `addressed`; `multiplier` (campaigns,) is the one in force.
    """

    def __init__(
        self, campaigns: Campaigns, ticks_per_day: int, ticks: int, addressed: Addressed[State], multiplier: Floats
    ) -> None:
        self.campaigns, self.ticks_per_day, self.closed = campaigns, ticks_per_day, 0
        self._addressed, self._in_force = addressed, multiplier
        state, listed = addressed.value, len(campaigns.names)
        self.counts = np.zeros((ticks, len(Count), listed), np.int64)
        self.sums = np.zeros((ticks, len(Sum), listed))
        self.left = np.zeros((ticks, listed), np.int64)
        self.multiplier = np.zeros((ticks, listed))
        self.market_price = np.zeros((ticks, listed))
        self.pace = np.ones((ticks, listed))
        self.taking = np.ones((ticks, listed))
        self.today_counts = np.zeros((len(Count), listed), np.int64)
        self.today_sums = np.zeros((len(Sum), listed))
        self.leads = LeadBooks(ticks, state.chain) if state.chain.form_open.size else None
        self.increments = IncrementBooks(ticks, state.baseline) if state.baseline.odds.size else None
        self._booked = np.zeros(1, np.int64)
        ints, floats = self.today_counts, self.today_sums
        own = self._booked, ints, floats, self.left[0], self.multiplier[0], self.market_price[0], ints, floats
        self._book = entry(book, 0, 0, addressed, self.multiplier[0], *own)

    def __repr__(self) -> str:
        spend, ticks = self.spend().sum(), f"{self.closed:,} ticks of {len(self.counts):,} closed"
        shown = f"{self.impressions().sum():,} impressions, spend {spend:,.2f}"
        return f"<Ledger of {len(self.campaigns.names):,} campaigns, {ticks}: {shown}>"

    def _repr_html_(self) -> str:
        frame = self.to_frame().groupby("campaign", observed=False)[TOLD].sum().sort_values("spend", ascending=False)
        return titled(repr(self).strip("<>"), frame.to_html(max_rows=MOST_TOLD, float_format="{:,.2f}".format))

    def open_day(self) -> None:
        """Starts the sums of a new day."""
        self.today_counts[:] = 0
        self.today_sums[:] = 0

    def close_tick(self, tick: Tick) -> None:
        """Books the tick that ends, and clears the kernel's counters.

        Raises:
            InvariantError: if the books do not balance.
        """
        row, state = tick.number, self._addressed.value
        fault = self._book(
            row, tick.requests, self._addressed, self._in_force, self._booked, self.counts[row], self.sums[row],
            self.left[row], self.multiplier[row], self.market_price[row], self.today_counts, self.today_sums,
        )  # fmt: skip
        if fault:
            raise InvariantError(FAULTS[fault])
        counts = self.counts[row]
        np.copyto(self.pace[row], state.bids.pace)
        np.copyto(self.taking[row], state.bids.taking)
        if self.leads is not None:
            self.leads.close_tick(row, state.chain, counts[Count.CLICKS], counts[Count.CONVERSIONS], counts[Count.REPORTED])
        if self.increments is not None:
            self.increments.close_tick(row, state.baseline, counts[Count.CONVERSIONS])
        self.closed += 1

    def spend(self) -> Floats:
        """Currency spent, (ticks closed, campaigns)."""
        return self.counts[: self.closed, Count.SPEND] / MICRO

    def value(self) -> Floats:
        """True expected value of exposed wins in currency, (ticks closed, campaigns): a judge's number.

        Conversions count as far as they are attributed to the ad, as they do in targets, reports and bills.
        """
        return self.sums[: self.closed, Sum.VALUE]

    def impressions(self) -> Integers:
        """Slots won and seen, (ticks closed, campaigns)."""
        return self.counts[: self.closed, Count.IMPRESSIONS]

    def conversions(self) -> Integers:
        """Conversions that this tick's impressions led to, attributed or not, (ticks closed, campaigns)."""
        return self.counts[: self.closed, Count.CONVERSIONS]

    def attributed(self) -> Integers:
        """Those of them that come in time to be attributed to the ad, reported by now or not, (ticks closed, campaigns)."""
        return self.counts[: self.closed, Count.ATTRIBUTED]

    def requests(self) -> Integers:
        """Requests of each closed tick."""
        return self.counts[: self.closed, Count.REQUESTS, 0]

    @property
    def is_paced(self) -> bool:
        """Whether the platform has lowered a bid or kept somebody out of auctions."""
        return bool((self.pace[: self.closed] < 1).any() or (self.taking[: self.closed] < 1).any())

    def to_frame(self) -> pd.DataFrame:
        """A row per campaign and tick.

        Columns: day, tick (of the day), campaign; requests, wins (slots), impressions (slots seen), clicks, conversions
        (of this tick's impressions), conversions_attributed (those of them that come in time), conversions_reported (in this
        tick); in currency: spend, written_off, value (true expected value of the impressions, of conversions that are
        attributed), believed_value, price (mean of an impression), market_price (mean least
        winning cost of a slot), budget_left; multiplier (NaN where bids came by request).

        Where the platform has paced anybody also factor (on the bid) and participation (share of auctions in which the
        campaign may take part).

        With lead campaigns also form_opens, qualified (leads) and sales, all of this tick's impressions, where conversions
        are submits; qualified_reported (in this tick). With organic conversions also incremental (conversions of this
        tick's impressions that would not have come anyway) and incremental_value (true expected value of the impressions
        beyond what would have come anyway, currency).
        """
        import pandas as pd

        ticks, names = self.closed, self.campaigns.names
        index = np.repeat(np.arange(ticks), len(names))
        counts = {
            "requests": Count.REQUESTS, "wins": Count.WINS, "impressions": Count.IMPRESSIONS, "clicks": Count.CLICKS,
            "conversions": Count.CONVERSIONS, "conversions_attributed": Count.ATTRIBUTED,
            "conversions_reported": Count.REPORTED,
        }  # fmt: skip
        frame = pd.DataFrame(
            {
                "day": index // self.ticks_per_day,
                "tick": index % self.ticks_per_day,
                "campaign": pd.Categorical.from_codes(np.tile(np.arange(len(names)), ticks), pd.Index(names)),
                **{name: self.counts[:ticks, row].ravel() for name, row in counts.items()},
                "spend": self.spend().ravel(),
                "written_off": (self.counts[:ticks, Count.WRITTEN_OFF] / MICRO).ravel(),
                "value": self.value().ravel(),
                "believed_value": self.sums[:ticks, Sum.BELIEVED].ravel(),
            }
        )
        frame["price"] = frame["spend"] / frame["impressions"].where(frame["impressions"] > 0)
        frame["market_price"] = self.market_price[:ticks].ravel()
        frame["budget_left"] = (self.left[:ticks] / MICRO).ravel()
        frame["multiplier"] = self.multiplier[:ticks].ravel()
        if self.is_paced:
            frame["factor"], frame["participation"] = self.pace[:ticks].ravel(), self.taking[:ticks].ravel()
        if self.leads is not None:
            rows = {
                "form_opens": LeadCount.FORM_OPENS, "qualified": LeadCount.QUALIFIED, "sales": LeadCount.SALES,
                "qualified_reported": LeadCount.QUALIFIED_REPORTED,
            }  # fmt: skip
            for name, row in rows.items():
                frame[name] = self.leads.counts[:ticks, row].ravel()
        if self.increments is not None:
            frame["incremental"] = self.increments.incremental[:ticks].ravel()
            frame["incremental_value"] = self.increments.value[:ticks].ravel()
        return frame


FAULTS = {
    1: "a campaign spent more than its budget",
    2: "a campaign has more clicks than impressions, or more impressions than wins",
    3: "what campaigns have spent and what was booked differ",
    4: "the impressions of campaigns and of slots differ",
}


@kernel()
def book(
    tick: Any, requests: Any, state: Any, multiplier: Any, booked: Any, tick_counts: Any, tick_sums: Any, tick_left: Any,
    tick_multiplier: Any, tick_price: Any, today_counts: Any, today_sums: Any,
) -> Any:  # fmt: skip
    """Moves a tick's counters into the books and clears them; returns the number of the invariant that fails, or 0.

    `tick` counts from the start. `tick_price` (K,): mean least winning cost of a slot, currency per impression; NaN without
    requests. The other arrays are as in `Ledger`, `booked` (1,) is all that was ever charged.
    """
    counts, sums, allowance, spent = state.tally.counts, state.tally.sums, state.terms.allowance, state.terms.spent
    row = tick % state.terms.reports.shape[0]
    over = tick + 1 == state.control[Control.LAST_TICK]
    total_spent, impressions = np.int64(0), np.int64(0)
    for k in range(spent.size):
        counts[Count.REPORTED, k] += state.terms.reports[row, k]
        state.terms.reports[row, k] = 0
        pay(k, counts, allowance, spent, state.terms.owed[row])
        if over:
            for later in range(state.terms.owed.shape[0]):
                pay(k, counts, allowance, spent, state.terms.owed[later])
        counts[Count.REQUESTS, k] = requests
        tick_left[k] = allowance[k] - spent[k]
        tick_multiplier[k] = multiplier[k]
        cheapest = state.tally.threshold[0] - sums[Sum.DISCOUNT, k]
        tick_price[k] = cheapest / (requests * MICRO) if requests > 0 else np.nan
        total_spent += spent[k]
        booked[0] += counts[Count.SPEND, k]
        impressions += counts[Count.IMPRESSIONS, k]
        if tick_left[k] < 0:
            return 1
        if counts[Count.CLICKS, k] > counts[Count.IMPRESSIONS, k] or counts[Count.IMPRESSIONS, k] > counts[Count.WINS, k]:
            return 2
    if total_spent != booked[0]:
        return 3
    for slot in range(state.tally.slot_impressions.size):
        impressions -= state.tally.slot_impressions[slot]
        state.tally.slot_impressions[slot] = 0
    if impressions != 0:
        return 4
    for k in range(spent.size):
        for n in range(counts.shape[0]):
            tick_counts[n, k] = counts[n, k]
            today_counts[n, k] += counts[n, k]
            counts[n, k] = 0
        for n in range(sums.shape[0]):
            tick_sums[n, k] = sums[n, k]
            today_sums[n, k] += sums[n, k]
            sums[n, k] = 0.0
    state.tally.threshold[0] = 0.0
    return 0


@inlined
def pay(k: Any, counts: Any, allowance: Any, spent: Any, owed: Any) -> None:
    """Charges what is owed for conversions, up to the budget left; the rest is written off."""
    if owed[k] > 0:
        paid = min(owed[k], allowance[k] - spent[k])
        spent[k] += paid
        counts[Count.SPEND, k] += paid
        counts[Count.WRITTEN_OFF, k] += owed[k] - paid
        owed[k] = 0
