"""The books: money and counts per campaign and tick, and the invariants they must keep.

Money is whole millionths of currency, summed request by request, so that nothing is lost to rounding. What a campaign
is told stands in the first rows of each array (see `kernel`); conversions not yet reported and true values are for the
judge alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import kernel as K
from .demand import MICRO, Campaigns
from .errors import InvariantError

if TYPE_CHECKING:
    import pandas as pd

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


class Ledger:
    """A row per campaign and closed tick; read it with `to_frame`, or through its arrays (ticks, campaigns)."""

    def __init__(self, campaigns: Campaigns, ticks_per_day: int, ticks: int) -> None:
        self.campaigns, self.ticks_per_day, self.closed = campaigns, ticks_per_day, 0
        held = len(campaigns.names)
        self.counts = np.zeros((ticks, K.COUNTS, held), np.int64)
        self.sums = np.zeros((ticks, K.SUMS, held))
        self.left = np.zeros((ticks, held), np.int64)
        self.multiplier = np.zeros((ticks, held))
        self.market_price = np.zeros((ticks, held))
        self.today_counts = np.zeros((K.COUNTS, held), np.int64)
        self.today_sums = np.zeros((K.SUMS, held))
        self._booked = 0

    def open_day(self) -> None:
        """Starts the sums of a new day."""
        self.today_counts[:] = 0
        self.today_sums[:] = 0

    def close_tick(self, state: K.State, multiplier: Floats, market_price: Floats) -> None:
        """Books the tick that ends and clears the kernel's counters. Raises `InvariantError` if the books do not balance."""
        counts, sums = state.counts, state.sums
        left = state.allowance - state.spent
        self._booked += int(counts[K.SPEND].sum())
        if left.min() < 0:
            raise InvariantError(f"campaign {self.campaigns.names[int(left.argmin())]} spent more than its budget")
        if int(state.spent.sum()) != self._booked:
            raise InvariantError("what campaigns have spent and what was booked differ")
        if int(counts[K.IMPRESSIONS].sum()) != int(state.slot_impressions.sum()):
            raise InvariantError("the impressions of campaigns and of slots differ")
        if (counts[K.CLICKS : K.WINS : -1] > counts[K.IMPRESSIONS : K.REQUESTS : -1]).any():
            raise InvariantError("a campaign has more clicks than impressions, or more impressions than wins")
        tick = self.closed
        self.counts[tick], self.sums[tick] = counts, sums
        self.left[tick], self.multiplier[tick], self.market_price[tick] = left, multiplier, market_price
        self.today_counts += counts
        self.today_sums += sums
        counts[:] = 0
        sums[:] = 0
        state.slot_impressions[:] = 0
        state.threshold[0] = 0
        self.closed += 1

    def spend(self) -> Floats:
        """Currency spent, (ticks closed, campaigns)."""
        return self.counts[: self.closed, K.SPEND] / MICRO

    def value(self) -> Floats:
        """True expected value of exposed wins in currency, (ticks closed, campaigns): a judge's number."""
        return self.sums[: self.closed, K.VALUE]

    def impressions(self) -> Counts:
        """Slots won and seen, (ticks closed, campaigns)."""
        return self.counts[: self.closed, K.IMPRESSIONS]

    def conversions(self) -> Counts:
        """Conversions that this tick's impressions led to, reported or not, (ticks closed, campaigns)."""
        return self.counts[: self.closed, K.CONVERSIONS]

    def requests(self) -> Counts:
        """Requests of each closed tick."""
        return self.counts[: self.closed, K.REQUESTS, 0]

    def to_frame(self) -> pd.DataFrame:
        """A row per campaign and tick.

        Columns: day, tick (of the day), campaign; requests, wins (slots), impressions (slots seen), clicks, conversions
        (of this tick's impressions), conversions_reported (in this tick); in currency: spend, written_off, value (true
        expected value of the impressions), believed_value, price (mean of an impression), market_price (mean least
        winning cost of a slot), budget_left; multiplier (NaN where bids came by request).
        """
        import pandas as pd

        ticks, names = self.closed, self.campaigns.names
        index = np.repeat(np.arange(ticks), len(names))
        counts = {
            "requests": K.REQUESTS, "wins": K.WINS, "impressions": K.IMPRESSIONS, "clicks": K.CLICKS,
            "conversions": K.CONVERSIONS, "conversions_reported": K.REPORTED,
        }  # fmt: skip
        frame = pd.DataFrame(
            {
                "day": index // self.ticks_per_day,
                "tick": index % self.ticks_per_day,
                "campaign": pd.Categorical.from_codes(np.tile(np.arange(len(names)), ticks), pd.Index(names)),
                **{name: self.counts[:ticks, row].ravel() for name, row in counts.items()},
                "spend": self.spend().ravel(),
                "written_off": (self.counts[:ticks, K.WRITTEN_OFF] / MICRO).ravel(),
                "value": self.value().ravel(),
                "believed_value": self.sums[:ticks, K.BELIEVED].ravel(),
            }
        )
        frame["price"] = frame["spend"] / frame["impressions"].where(frame["impressions"] > 0)
        frame["market_price"] = self.market_price[:ticks].ravel()
        frame["budget_left"] = (self.left[:ticks] / MICRO).ravel()
        frame["multiplier"] = self.multiplier[:ticks].ravel()
        return frame
