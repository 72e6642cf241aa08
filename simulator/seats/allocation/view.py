"""What whoever allocates ads to pages is told: of pages as such, and how things stand."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...core.arrays import Floats, Integers
from ...engine.asking import Column
from ...market.market import build
from ...market.rehearsal import rehearsal
from ...response.pages import relevance
from ...scenario.pages import Pages
from ...scenario.people import Sessions
from ...scenario.tree import Scenario

COLUMNS = Column.PAYS  # of what is shown of a page before the prices of ads


class Facts(NamedTuple):
    """What is known of pages with S places, up to A ads and P patterns before any is shown; money in currency.

    A platform knows its users' laws from experiments; what it does not know is which user is how patient.
    """

    days: int
    ticks: int  # of a day
    users: int
    pages: Pages
    sessions: Sessions
    click_rate: float  # of an ad that is seen, about
    pay: float  # what such an ad is charged, about
    carries: Floats  # (P, S) 1 where a place carries an ad
    ads: Integers  # (P,) ads
    exposure: Floats  # (P, A) probability that the r-th ad is seen
    clicks: Floats  # (P, A) that, times how often it is clicked for the gap above it
    relevance: Floats  # (S,) worth of the organic items, from the top, over what is seen of all of them on such a page
    organic: Floats  # (P,) worth of the organic items seen, over that of a page without ads
    seen: Floats  # (P,) ads seen
    usual: int  # the pattern where nobody decides
    request_sigma: float  # log standard deviation of what a user's pages pay
    chances: float  # sessions that a user would come to a day, if he were satisfied enough, on average
    prices: Floats  # (n, A) what the r-th best ad of a page is charged, once seen, on n pages of an even day


class AllocationView(NamedTuple):
    """How things stand as a tick opens; (B,) a number for each bucket that is held, of the run so far."""

    day: int
    tick: int
    ticks: int
    facts: Facts
    users: Integers  # (B,) in the bucket
    sessions: Floats  # (B,) begun
    pages: Floats  # (B,) requests made
    ad_places: Floats  # (B,) chosen for ads
    ads: Floats  # (B,) seen
    content: Floats  # (B,) worth of organic items seen; 1: a usual page without ads
    charged: Floats  # (B,) currency


def even_prices(scenario: Scenario, most: int = 2048) -> Floats:
    """What ads are charged, once seen, by their rank, (n, A), on up to `most` pages of an even day; 0 where there are fewer."""
    sample, table, ads = rehearsal(scenario), build(scenario).campaigns, scenario.ad_places
    columns = np.linspace(0, sample.tick.size - 1, min(most, sample.tick.size)).astype(np.int64)
    bid = table.prior * table.target
    rate = sample.rate[:, columns].astype(np.float64)
    offered = rate * (bid[sample.who[:, columns]] if sample.who.size else bid[:, None])
    offered[offered < scenario.auction.reserve] = 0.0
    best = np.zeros((ads + 1, columns.size))
    best[: min(ads + 1, len(offered))] = -np.sort(-offered, axis=0)[: ads + 1]
    own, following = best[:-1], np.maximum(best[1:], scenario.auction.reserve)
    prices: Floats = np.where(own > 0, own if scenario.auction.pricing == "first" else following, 0.0).T.copy()
    return prices


@lru_cache(maxsize=32)
def facts(scenario: Scenario) -> Facts:
    """What is known of a scenario's pages."""
    expected = build(scenario).expected
    shown, clicked = float(expected.impressions.sum()), expected.conversions / build(scenario).campaigns.conversion_rate
    pages, sessions, places, most = scenario.pages, scenario.sessions, scenario.auction.slots, scenario.ad_places
    assert pages is not None
    assert sessions is not None
    patterns = pages.patterns(places)
    carries, exposure, clicks = (np.zeros((len(patterns), width)) for width in (places, most, most))
    organic, worth = np.zeros(len(patterns)), relevance(scenario)
    for number, pattern in enumerate(patterns):
        reach, last = scenario.place_exposure(pattern), -1
        carries[number, list(pattern)] = 1
        for rank, place in enumerate(pattern):
            gap = place - last - 1
            willing = pages.gap_clicks[gap] if last >= 0 and gap < len(pages.gap_clicks) else 1.0
            exposure[number, rank], clicks[number, rank] = reach[place], reach[place] * willing
            last = place
        content = [place for place in range(places) if place not in pattern]
        organic[number] = sum(reach[place] * worth[item] for item, place in enumerate(content))
    found = Facts(
        days=scenario.days,
        ticks=scenario.ticks_per_day,
        users=scenario.users.count,
        pages=pages,
        sessions=sessions,
        click_rate=float(clicked.sum()) / shown,
        pay=float(expected.spend.sum()) / shown,
        carries=carries,
        ads=carries.sum(axis=1).astype(np.int64),
        exposure=exposure,
        clicks=clicks,
        relevance=worth,
        organic=organic,
        seen=exposure.sum(axis=1),
        usual=pages.usual(places),
        request_sigma=scenario.weather.request_sigma or 0.0,
        chances=scenario.traffic.requests_per_day / (sessions.mean_requests * scenario.users.count),
        prices=even_prices(scenario),
    )
    for array in found:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return found
