"""What a bidder made of a log."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.notebook import titled
from .history import PriceHistory
from .log import Log

PRICE_TAKER = "The bidder is a price taker here: its bids move no recorded price, and no rival reacts to them."


class Episodes(NamedTuple):
    """What happened in each episode; arrays have shape (episodes,), money in the log's own."""

    auctions: Integers
    impressions: Integers
    clicks: Integers  # zeros if the log has none
    spend: Integers | Floats  # whole numbers where the log's money is
    believed_clicks: Floats  # sum of predicted rates of the impressions


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What a bidder made of a log; money in the log's own unit."""

    price_taker: ClassVar[bool] = True  # see `PRICE_TAKER`

    episodes: Episodes
    budget: int | float  # of an episode; a whole number where the log's money is, as is all money here
    max_bid: int | float
    has_clicks: bool  # whether the log says what was clicked

    @property
    def auctions(self) -> int:
        return int(self.episodes.auctions.sum())

    @property
    def impressions(self) -> int:
        return int(self.episodes.impressions.sum())

    @property
    def clicks(self) -> int | None:
        """None if the log does not say."""
        return int(self.episodes.clicks.sum()) if self.has_clicks else None

    @property
    def spend(self) -> int | float:
        total: int | float = self.episodes.spend.sum().item()
        return total

    @property
    def believed_clicks(self) -> float:
        return float(self.episodes.believed_clicks.sum())

    @property
    def win_rate(self) -> float:
        return self.impressions / self.auctions

    @property
    def cpm(self) -> float:
        """Mean price of an impression, as the log prices it (per thousand, if the log does); NaN without impressions."""
        return self.spend / self.impressions if self.impressions else np.nan

    @property
    def ecpc(self) -> float:
        """Spend over clicks; NaN without clicks."""
        return self.spend / self.clicks if self.clicks else np.nan

    def __str__(self) -> str:
        clicks = "an unknown number of" if self.clicks is None else f"{self.clicks:,}"
        return (
            f"{self.auctions:,} auctions in {len(self.episodes.auctions):,} episodes with a budget of {self.budget:,} each: "
            f"{self.impressions:,} impressions, {clicks} clicks, {self.believed_clicks:,.1f} believed, cost {self.spend:,}.\n"
            + PRICE_TAKER
        )


class Replayed(NamedTuple):
    """Several bidders on one log."""

    log: Log
    history: PriceHistory
    results: dict[str, ReplayResult]  # by bidder
    notes: tuple[str, ...]  # sentences that belong under the results

    def __repr__(self) -> str:
        return f"<Replayed {len(self.log):,} auctions of {self.log.name}, by {', '.join(self.results)}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(name)}: {escape(str(result))}</li>" for name, result in self.results.items())
        return titled(repr(self).strip("<>"), f"<ul>{lines}</ul>")
