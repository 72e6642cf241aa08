"""How pages look to a learner, and what its actions mean: a price of boredom and a worth of content, or a pattern."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...core.compiled import entry, inlined, kernel
from ...engine.asking import LEAST_PAY, Column
from .view import Facts

FEATURES = (
    "pays_1", "pays_2", "pays_3", "content", "boredom", "page", "ads_here", "last_ads", "hint", "satisfaction", "days_left",
    "level", "sessions", "mean_length", "last_length", "ads_per_page", "days_away", "borne", "ended", "borne_here",
)  # fmt: skip
BOUND = 5.0
RANKS = 3  # ads of which a learner sees what they pay
MEAN, REACH = -0.7, 2.5  # log of a price over the usual charge for an ad: at an action of 0, and what an action of 1 adds
# Places in a vector of scales.
PAY, ORGANIC, WORN, DAYS, LENGTH = range(5)


class AllocationVectors:
    """Observations of pages, and patterns from actions; for pages as `facts` tell of them."""

    features = FEATURES
    bound = BOUND
    actions = 2

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.shapes = shapes(facts)  # (P, A + 2)
        self.scales = scales(facts)
        pages, actions = np.zeros((1, Column.PAYS + facts.clicks.shape[1])), np.zeros((1, 2))
        self._observe = entry(observe_pages, pages, self.scales, np.zeros((1, len(FEATURES)), np.float32))
        self._decide = entry(choose_by_price, pages, actions, self.shapes, self.scales, np.zeros(1, np.int64))

    def observe(self, pages: Floats) -> NDArray[np.float32]:
        """Features of pages that are shown, (n, W) to (n, features)."""
        out = np.empty((len(pages), len(FEATURES)), np.float32)
        self._observe(pages, self.scales, out)
        return out

    def decide(self, pages: Floats, actions: Floats) -> Integers:
        """The patterns that actions (n, 2) from -1 to 1 stand for, (n,).

        An ad that bores costs exp(-.7 + 2.5 a) usual charges; content brings .5 + .5 b of them above what it pays at once.
        """
        out = np.empty(len(pages), np.int64)
        self._decide(pages, actions, self.shapes, self.scales, out)
        return out


def shapes(facts: Facts) -> Floats:
    """Of each pattern: clicks of its ads in exposures of ads apart, organic worth, ads that will bore; (P, A + 2)."""
    return np.column_stack([facts.clicks, facts.organic, facts.seen * (1 - facts.click_rate)])


def scales(facts: Facts) -> Floats:
    """What a learner's numbers are relative to."""
    patience = facts.sessions.patience
    worn = 0.0 if patience is None else patience.worn
    return np.array([facts.pay, facts.pages.organic_value, worn, facts.days, facts.sessions.mean_requests])


@inlined
def willing(page: Any, scales: Any) -> Any:
    """How readily the user of a page clicks, for his boredom."""
    return 1.0 if scales[WORN] == 0.0 else (1.0 + page[Column.BOREDOM]) ** -scales[WORN]


@inlined
def worth_now(page: Any, shape: Any, scales: Any) -> Any:
    """What the ads of a pattern are expected to be charged on a page, currency."""
    revenue = 0.0
    for rank in range(shape.size - 2):
        revenue += shape[rank] * page[Column.PAYS + rank]
    return revenue * willing(page, scales)


@inlined
def pattern_at(page: Any, price: Any, extra: Any, shapes: Any, scales: Any) -> Any:
    """The pattern that is best now if an ad that bores costs `price`, and content brings `extra` more than it pays."""
    best, chosen, width = -np.inf, np.int64(0), shapes.shape[1]
    for pattern in range(shapes.shape[0]):
        shape = shapes[pattern]
        content = (scales[ORGANIC] + extra) * page[Column.CONTENT] * shape[width - 2]
        worth = worth_now(page, shape, scales) + content - price * shape[width - 1]
        if worth > best:
            best, chosen = worth, np.int64(pattern)
    return chosen


@inlined
def pattern_of_action(page: Any, a: Any, b: Any, shapes: Any, scales: Any) -> Any:
    """See `AllocationVectors.decide`."""
    return pattern_at(page, scales[PAY] * math.exp(MEAN + REACH * a), scales[PAY] * (0.5 + 0.5 * b), shapes, scales)


@inlined
def log_pay(page: Any, rank: Any) -> Any:
    """Log of what the ad of a rank pays; none pays less than `LEAST_PAY`."""
    column = Column.PAYS + rank
    return math.log(max(page[column], LEAST_PAY)) if column < page.size else math.log(LEAST_PAY)


@inlined
def observe_page(page: Any, scales: Any, out: Any) -> None:
    """Fills in the features of a page, (features,)."""
    first, second, third, sessions = log_pay(page, 0), log_pay(page, 1), log_pay(page, 2), page[Column.SESSIONS]
    length = scales[LENGTH]
    out[0] = first - page[Column.LEVEL]
    out[1] = 3.0 * (second - first) + 1.0
    out[2] = 3.0 * (third - second) + 1.0
    out[3] = 2.0 * math.log(max(page[Column.CONTENT], LEAST_PAY))
    out[4] = math.log1p(page[Column.BOREDOM]) - 0.7
    out[5] = math.log1p(page[Column.PAGE]) - 1.5
    out[6] = (page[Column.ADS_HERE] + 0.5) / (page[Column.PAGE] + 1.0) - 0.7
    out[7] = page[Column.LAST_ADS] - 0.7
    out[8] = page[Column.HINT]
    out[9] = 8.0 * (page[Column.SATISFACTION] - 0.95)
    out[10] = 1.0 - 2.0 * (page[Column.DAY] + page[Column.ELAPSED]) / scales[DAYS]
    out[11] = 2.0 * (page[Column.LEVEL] - math.log(scales[PAY]))
    out[12] = math.log1p(sessions) - 1.3
    before = max(page[Column.PAGES] - page[Column.PAGE], 0.0)  # less where a session had begun before the run
    out[13] = 2.0 * math.log((2.0 * length + before) / ((2.0 + sessions) * length)) + 0.4
    out[14] = math.log1p(page[Column.LAST_LENGTH]) - 1.5
    out[15] = (1.0 + page[Column.ADS]) / (2.0 + page[Column.PAGES]) - 0.8
    out[16] = page[Column.AWAY] - 0.7
    out[17] = math.log1p(page[Column.BORNE]) - 4.0
    out[18] = 2.0 * math.log1p(page[Column.ENDED] / (1.0 + sessions)) - 2.5
    out[19] = math.log1p(page[Column.BORNE_HERE]) - 2.5
    for place in range(out.size):
        out[place] = min(max(out[place], -BOUND), BOUND)


@kernel(nogil=True)
def observe_pages(pages: Any, scales: Any, out: Any) -> None:
    """Fills in the features of pages, (n, features)."""
    for n in range(pages.shape[0]):
        observe_page(pages[n], scales, out[n])


@kernel(nogil=True)
def choose_by_price(pages: Any, actions: Any, shapes: Any, scales: Any, out: Any) -> None:
    """Fills in the patterns that actions stand for, (n,)."""
    for n in range(pages.shape[0]):
        out[n] = pattern_of_action(pages[n], actions[n, 0], actions[n, 1], shapes, scales)
