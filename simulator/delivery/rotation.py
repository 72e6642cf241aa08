"""Rotation: which of its creatives an ad shows, by shares that may change in mid-run, and what came of each of them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import Floats, Floats32, Integers
from ..core.books import Books
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, spelt_out
from ..core.errors import MarketError
from ..population.campaigns import Campaigns
from ..population.creatives import Portfolio, ads_of, names_of
from ..population.embeddings import embeddings
from ..population.users import People
from ..scenario.creatives import FORMATS
from ..scenario.tree import Scenario

if TYPE_CHECKING:
    import pandas as pd


ROUNDING = 1e-6  # by which the sum of shares may miss 1, as those of a float32 softmax do


class CreativeCount(IntEnum):
    """Rows of Rotation.counts, since the start."""

    IMPRESSIONS = 0
    CLICKS = 1
    CONVERSIONS = 2  # reported or not: for judges


class CreativeSum(IntEnum):
    """Rows of Rotation.sums, since the start."""

    VALUE = 0  # true and expected, currency: for judges
    CLICKS = 1  # likewise


class Rotation(NamedTuple):
    """What the kernel knows of creatives. A ads, C creatives, S segments, U users; no arrays: an ad is its one creative."""

    first: Integers  # (A + 1,)
    share: Floats  # (C,) cumulative over the creatives of an ad, up to 1
    appeal: NDArray[np.float32]  # (C,) true log-odds
    interaction: NDArray[np.float32]  # (C, S)
    born: Integers  # (C,) since when it is there, microseconds; (0,) where all are from the start
    segment: Integers  # (U,)
    counts: Integers  # (len(CreativeCount), C)
    sums: Floats  # (len(CreativeSum), C)


def new_rotation(portfolio: Portfolio | None, people: People) -> Rotation:
    """Every ad shows its creatives in even shares, and nothing has been shown."""
    if portfolio is None:
        none, nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
        counts, sums = np.zeros((len(CreativeCount), 0), np.int64), np.zeros((len(CreativeSum), 0))
        for array in (none, nothing):  # as a portfolio's are: kernels are compiled for one of both
            array.setflags(write=False)
        return Rotation(none, np.zeros(0), nothing, nothing.reshape(0, 0), none, none, counts, sums)
    total, count = len(portfolio.ad), np.diff(portfolio.first)
    return Rotation(
        first=portfolio.first,
        share=(np.arange(total) - portfolio.first[portfolio.ad] + 1) / count[portfolio.ad],
        appeal=portfolio.appeal,
        interaction=portfolio.interaction,
        born=portfolio.born if portfolio.born.any() else portfolio.born[:0],
        segment=people.segment,
        counts=np.zeros((len(CreativeCount), total), np.int64),
        sums=np.zeros((len(CreativeSum), total)),
    )


@spelt_out
def is_there(c: Any, now: Any, rotation: Any) -> Any:
    """Whether creative c has come by now."""
    return rotation.born.size == 0 or rotation.born[c] <= now


@spelt_out
def given_share(c: Any, a: Any, rotation: Any) -> Any:
    """The share that creative c of ad a has been given."""
    return rotation.share[c] - (rotation.share[c - 1] if c > rotation.first[a] else 0.0)


@inlined
def creative_of(i: Any, a: Any, now: Any, keys: Any, rotation: Any) -> Any:
    """The creative of ad a that request i shows: a draw against its shares. -1 where an ad is its one creative.

    Those that have not come yet leave their shares to the others; where nobody has any, these are shown evenly.
    """
    if rotation.first.size == 0:
        return np.int64(-1)
    u, c = uniform(keys[Stream.CREATIVE], i, a), rotation.first[a]
    if rotation.born.size == 0:
        while u >= rotation.share[c]:  # the last one to be shown has 1
            c += 1
        return c
    u *= share_there(a, now, rotation)
    even, last = u == 0.0, c
    if even:
        u = uniform(keys[Stream.CREATIVE], i, a) * number_there(a, now, rotation)
    for c in range(rotation.first[a], rotation.first[a + 1]):
        share = 1.0 if even else given_share(c, a, rotation)
        if is_there(c, now, rotation) and share > 0.0:
            last = c
            if u < share:
                break
            u -= share
    return last


@inlined
def share_there(a: Any, now: Any, rotation: Any) -> Any:
    """The shares of ad a's creatives that have come by now, added up."""
    total = 0.0
    for c in range(rotation.first[a], rotation.first[a + 1]):
        if is_there(c, now, rotation):
            total += given_share(c, a, rotation)
    return total


@inlined
def number_there(a: Any, now: Any, rotation: Any) -> Any:
    """How many of ad a's creatives have come by now."""
    count = 0
    for c in range(rotation.first[a], rotation.first[a + 1]):
        count += is_there(c, now, rotation)
    return count


@inlined
def share_of(c: Any, a: Any, now: Any, rotation: Any) -> Any:
    """How likely ad a is to show its creative c, which is 1 for its one creative."""
    if c < 0:
        return 1.0
    if rotation.born.size == 0:
        return given_share(c, a, rotation)
    total = share_there(a, now, rotation)
    return given_share(c, a, rotation) / total if total > 0.0 else 1.0 / number_there(a, now, rotation)


@inlined
def extra_log_odds(c: Any, user: Any, rotation: Any) -> Any:
    """What creative c adds to the true log-odds of a click by a user; 0 for an ad that is its one creative."""
    if c < 0:
        return 0.0
    return np.float64(rotation.appeal[c]) + np.float64(rotation.interaction[c, rotation.segment[user]])


@inlined
def count_creative(c: Any, rate: Any, clicked: Any, converted: Any, value: Any, rotation: Any) -> None:
    """Books an impression of creative c."""
    rotation.counts[CreativeCount.IMPRESSIONS, c] += 1
    rotation.counts[CreativeCount.CLICKS, c] += clicked
    rotation.counts[CreativeCount.CONVERSIONS, c] += converted
    rotation.sums[CreativeSum.VALUE, c] += value
    rotation.sums[CreativeSum.CLICKS, c] += rate


def set_shares(rotation: Rotation, ad: int, shares: ArrayLike) -> None:
    """Has an ad show its creatives in these shares, (its creatives,).

    Raises:
        MarketError: if they are not as many numbers from 0 up as it has creatives, summing to 1.
    """
    low, high = int(rotation.first[ad]), int(rotation.first[ad + 1])
    try:
        wanted = np.asarray(shares, np.float64)
    except (TypeError, ValueError):
        wanted = np.full(high - low, np.nan)
    if wanted.shape != (high - low,) or not (wanted >= 0).all() or not abs(wanted.sum() - 1) <= ROUNDING:
        raise MarketError(
            f"the shares of an ad with {high - low} creatives are as many numbers from 0 up that sum to 1, not {shares!r}"
        )
    cumulative = np.cumsum(wanted) / wanted.sum()
    cumulative[np.flatnonzero(wanted)[-1] :] = 1.0  # whatever rounding has made of it
    rotation.share[low:high] = cumulative


def find_ad(table: Campaigns, campaign: int, ad: int | str) -> int:
    """The number in the market of a campaign's ad, given by its name or its place among the campaign's.

    Raises:
        MarketError: if it has no such ad, or more than one of that name.
    """
    ads, name = table.listed[campaign].ads, table.names[campaign]
    if isinstance(ad, str):
        places = [place for place, one in enumerate(ads) if one.name == ad]
    else:
        whole = isinstance(ad, (int, np.integer)) and not isinstance(ad, bool)
        places = [int(ad)] if whole and 0 <= ad < len(ads) else []
    if not places:
        raise MarketError(f"campaign {name!r} has no ad {ad!r}: its ads are {', '.join(one.name for one in ads)}")
    return int(table.first_ad[campaign]) + places[0]


class CreativeBooks(Books):
    """A row per creative: what came of it since the start, or today; read it with `to_frame`, or through its arrays.

    It takes as much memory however long a market runs. Public arrays, C creatives:
        counts: (len(CreativeCount), C) int64; sums: (len(CreativeSum), C); since the start.
        portfolio: what creatives there are, true appeals among it: for judges.
    """

    def __init__(self, scenario: Scenario, table: Campaigns, portfolio: Portfolio, rotation: Rotation) -> None:
        self.portfolio, self.counts, self.sums = portfolio, rotation.counts, rotation.sums
        self._scenario, self._table, self._share = scenario, table, rotation.share
        self._before = self.counts.copy(), self.sums.copy()  # today

    def open_day(self) -> None:
        """From here on it is another day."""
        for before, now in zip(self._before, (self.counts, self.sums), strict=True):
            before[:] = now

    @property
    def share(self) -> Floats:
        """The share of its ad's impressions that each creative is given from now on, (C,)."""
        share = np.diff(self._share, prepend=0.0)
        start = self.portfolio.first[:-1]
        share[start] = self._share[start]
        return share

    def embeddings(self, modality: str, creatives: ArrayLike | None = None) -> Floats32:
        """Embeddings of the content of creatives in one modality, (n, dimensions): see `portfolio.embeddings`."""
        return embeddings(self._scenario, self._table, self.portfolio, modality, creatives)

    def to_frame(self, today: bool = False) -> pd.DataFrame:
        """A row per creative; the index is its number, as in the journal.

        Columns: campaign, ad, creative (names), format, fresh (without a history), share (of its ad's impressions from now
        on); since the start, or `today` alone: impressions, clicks, conversions (reported or not), value (true expected value
        of the impressions, currency).
        """
        import pandas as pd

        table, portfolio = self._table, self.portfolio
        counts, sums = self.counts, self.sums
        if today:
            counts, sums = counts - self._before[0], sums - self._before[1]
        ads = np.array([ad.name for ad in ads_of(table)], object)
        return pd.DataFrame(
            {
                "campaign": pd.Categorical.from_codes(table.ad_campaign[portfolio.ad], pd.Index(table.names)),
                "ad": ads[portfolio.ad],
                "creative": names_of(table, portfolio),
                "format": pd.Categorical.from_codes(portfolio.format, pd.Index(FORMATS)),
                "fresh": portfolio.fresh,
                "share": self.share,
                "impressions": counts[CreativeCount.IMPRESSIONS].copy(),
                "clicks": counts[CreativeCount.CLICKS].copy(),
                "conversions": counts[CreativeCount.CONVERSIONS].copy(),
                "value": sums[CreativeSum.VALUE].copy(),
            }
        )
