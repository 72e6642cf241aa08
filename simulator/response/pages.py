"""Pages: which places carry ads, what organic items fill the others, and what comes of both."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.books import Books, Tick
from ..core.compiled import spelt_out
from ..scenario.tree import Scenario

if TYPE_CHECKING:
    import pandas as pd


class PageSum(IntEnum):
    """Columns of Pages.users and Pages.sums."""

    SESSIONS = 0  # begun
    CUT = 1  # of those, ended by boredom
    PAGES = 2  # requests made
    AD_PLACES = 3  # that were chosen for ads
    ADS = 4  # seen
    CONTENT = 5  # worth of organic items seen, a page of worth 1 without ads being 1
    REVENUE = 6  # true expected charges for the ads seen, currency: for judges
    CHARGED = 7  # currency


TOLD = (PageSum.SESSIONS, PageSum.PAGES, PageSum.AD_PLACES, PageSum.ADS, PageSum.CONTENT, PageSum.CHARGED)


class Pages(NamedTuple):
    """What the kernel knows of pages of S places with up to A ads in P patterns; U users. No arrays: there are no pages."""

    bits: Integers  # (P,) places that carry ads, a bit each, the first the lowest
    depth: Integers  # (P,) how many
    marginal: Floats  # (P, A + 1) probability that its ads are seen, and closing zeros
    gap_clicks: Floats  # (G,)
    relevance: Floats  # (S,) worth of the organic items, over what is seen of all of them on a page without ads
    usual: int  # the pattern where nobody decides
    end_share: float
    worn: float
    users: Floats  # (U, len(PageSum)) of the run so far
    sums: Floats  # (len(PageSum),) of the tick under way


def new_pages(scenario: Scenario) -> Pages:
    """The pages of a scenario, of which none has been shown."""
    settings, places = scenario.pages, scenario.auction.slots
    if settings is None:
        none = np.zeros(0, np.int64)
        empty = np.zeros((0, 0))
        return Pages(none, none, empty, np.zeros(0), np.zeros(0), 0, 0.0, 0.0, empty, np.zeros(0))
    patterns, most = settings.patterns(places), scenario.ad_places
    patience = None if scenario.sessions is None else scenario.sessions.patience
    return Pages(
        bits=np.array([sum(1 << place for place in carries) for carries in patterns]),
        depth=np.array([len(carries) for carries in patterns]),
        marginal=np.array([(*e, *(0.0,) * (most + 1 - len(e))) for e in scenario.page_exposure]),
        gap_clicks=np.array(settings.gap_clicks, np.float64),
        relevance=relevance(scenario),
        usual=settings.usual(places),
        end_share=settings.end_share,
        worn=0.0 if patience is None else patience.worn,
        users=np.zeros((scenario.users.count, len(PageSum))),
        sums=np.zeros(len(PageSum)),
    )


def relevance(scenario: Scenario) -> Floats:
    """What each organic item is worth once seen, (S,): so that a page without ads comes to 1 on average."""
    assert scenario.pages is not None
    falling: Floats = np.power(scenario.pages.relevance, np.arange(scenario.auction.slots, dtype=np.float64))
    worth: Floats = falling / float(np.dot(scenario.place_exposure(()), falling))
    return worth


@spelt_out
def has_pages(state: Any) -> Any:
    """Whether requests are pages on which ads displace content."""
    return state.pages.bits.size > 0


@spelt_out
def gap_factor(place: Any, last: Any, pages: Any) -> Any:
    """How often an ad in a place is clicked, the ad above being in place `last`; -1: there is none."""
    gap = place - last - 1
    return pages.gap_clicks[gap] if last >= 0 and gap < pages.gap_clicks.size else 1.0


@spelt_out
def count_page(column: Any, user: Any, amount: Any, pages: Any) -> None:
    """Adds to one of the sums of a user and of the tick."""
    pages.users[user, column] += amount
    pages.sums[column] += amount


class PageBooks(Books):
    """What came of pages in each closed tick, and by user; read it with `to_frame`, or through its arrays.

    Public arrays, U users: users: (U, len(PageSum)) of the run so far; sums: (ticks, len(PageSum)).
    """

    def __init__(self, scenario: Scenario, pages: Pages) -> None:
        assert scenario.pages is not None
        self.closed, self.users, self._sums = 0, pages.users, pages.sums
        self.organic_value = scenario.pages.organic_value  # of a unit of CONTENT, currency
        self._ticks = scenario.ticks_per_day
        self.sums = np.zeros((scenario.days * scenario.ticks_per_day, len(PageSum)))

    def close_tick(self, tick: Tick) -> None:
        """Books the tick that ends and clears its counters."""
        self.sums[tick.number] = self._sums
        self._sums[:] = 0
        self.closed += 1

    @property
    def score(self) -> Floats:
        """What each user brought so far, (U,), currency: expected charges and organic worth."""
        found: Floats = self.users[:, PageSum.REVENUE] + self.organic_value * self.users[:, PageSum.CONTENT]
        return found

    def to_frame(self) -> pd.DataFrame:
        """A row per tick.

        Columns: day, tick (of the day); sessions (begun), cut (ended by boredom), pages (requests made), ad_places (chosen for
        ads), ads (seen), content (worth of organic items seen; 1: a usual page without ads), organic (that, currency), revenue
        (true expected charges for the ads seen, currency), charged (currency).
        """
        import pandas as pd

        ticks, sums = np.arange(self.closed), self.sums[: self.closed]
        frame = pd.DataFrame({"day": ticks // self._ticks, "tick": ticks % self._ticks})
        for column in PageSum:
            name = column.name.lower()
            whole = column <= PageSum.ADS
            frame[name] = sums[:, column].astype(np.int64) if whole else sums[:, column]
            if column is PageSum.CONTENT:
                frame["organic"] = self.organic_value * sums[:, column]
        return frame
