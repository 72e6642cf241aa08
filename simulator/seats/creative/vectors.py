"""How impressions look to a learner, and what its actions mean: a row for each creative, so that one network scores all."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.arrays import Floats, Integers
from ...core.compiled import entry, inlined, kernel
from .view import WIDTH, Column, Facts, Row

PRIOR, PRIOR_HERE, PRIOR_ALL, TRUST = 12.0, 6.0, 5.0, 20.0  # expected clicks to which ratios are shrunk; clicks
RATE, FATIGUE, DAYS, SEGMENTS, TASTES = range(5)  # places among the scales; tastes of formats from the last on
FEATURES = (
    "there", "content", "taste", "whole", "here", "plain", "expected", "expected here", "exposures", "reported",
    "time left", "believed", "expected of ad", "ratio of ad", "creatives there",
)  # fmt: skip
BOUND = 5.0


class CreativeVectors:
    """Impressions of a market's ads, (n, W), as observations, and scores as the creatives they stand for."""

    features: ClassVar[tuple[str, ...]] = FEATURES
    bound: ClassVar[float] = BOUND
    actions: ClassVar[int] = 1

    def __init__(self, facts: Facts) -> None:
        self.facts, self.width = facts, Column.ROWS + facts.creatives * WIDTH
        out = np.zeros((1, facts.creatives, len(FEATURES)))
        self._observe = entry(observe_all, np.zeros((1, self.width)), np.zeros((1, 1)), out)

    def observe(self, shown: Floats, known: Floats) -> NDArray[np.float32]:
        """The observations of impressions (n, W), a row of features for each creative, (n, C x features).

        `known` (n, K) are the `scales` of the market of each.
        """
        out = np.empty((len(shown), self.facts.creatives, len(FEATURES)))
        self._observe(np.ascontiguousarray(shown), np.ascontiguousarray(known), out)
        return out.reshape(len(shown), out.shape[1] * out.shape[2]).astype(np.float32)

    def decide(self, shown: Floats, scores: Floats) -> Integers:
        """The places of the creatives with the best scores, (n, C), among those that have come; the first of equals."""
        best: Integers = np.where(there(shown), scores, -np.inf).argmax(axis=1)
        return best


def there(shown: Floats) -> NDArray[np.bool_]:
    """Which creatives have come, (n, C), in impressions (n, W)."""
    found: NDArray[np.bool_] = shown[:, Column.ROWS + Row.THERE :: WIDTH] > 0
    return found


def tastes(facts: Facts, trust: float) -> Floats:
    """What segments made of formats on an earlier day, logs (formats, S), of mean 0 over the formats in each segment.

    Clicks over expected ones, of each format and segment, drawn to 1 by `trust` clicks more of both.
    """
    clicks, expected = np.moveaxis(facts.history(), -1, 0)
    expected = expected * clicks.sum() / max(float(expected.sum()), 1e-9)  # whatever belief is wrong by on the whole
    taste: Floats = np.log((clicks + trust) / (expected + trust))
    taste -= taste.mean(axis=0)
    return taste


def scales(facts: Facts) -> Floats:
    """What a learner's numbers are relative to."""
    return np.concatenate([[facts.click_rate, facts.fatigue, facts.days, facts.segments], tastes(facts, TRUST).ravel()])


@inlined
def observe_impression(view: Any, scales: Any, out: Any) -> None:
    """Fills in the features of an impression, (C, features); of a creative that is not there, that and what is the ad's."""
    clicks, expected, places = 0.0, 0.0, out.shape[0]
    for c in range(places):
        clicks += view[Column.ROWS + c * WIDTH + Row.CLICKS]
        expected += view[Column.ROWS + c * WIDTH + Row.EXPECTED]
    left = 1.0 - 2.0 * (view[Column.DAY] + view[Column.ELAPSED]) / scales[DAYS]
    believed = math.log(max(view[Column.BELIEVED], 1e-9) / scales[RATE])
    expected_of_ad = 0.7 * math.log1p(expected) - 1.5
    ratio_of_ad = math.log((PRIOR_ALL + clicks) / (PRIOR_ALL + expected))
    share_there = 2.0 * view[Column.THERE] / places - 1.0
    for c in range(places):
        row, seen = view[Column.ROWS + c * WIDTH : Column.ROWS + (c + 1) * WIDTH], out[c]
        seen[:] = 0.0
        seen[0] = 2.0 * row[Row.THERE] - 1.0
        if row[Row.THERE] > 0.0:
            whole = (PRIOR * math.exp(row[Row.CONTENT]) + row[Row.CLICKS]) / (PRIOR + row[Row.EXPECTED])
            here = (PRIOR_HERE * whole + row[Row.CLICKS_HERE]) / (PRIOR_HERE + row[Row.EXPECTED_HERE])
            seen[1] = 4.0 * row[Row.CONTENT]
            seen[2] = 3.0 * scales[TASTES + np.int64(row[Row.FORMAT] * scales[SEGMENTS] + view[Column.SEGMENT])]
            seen[3] = 3.0 * math.log(whole)
            seen[4] = 3.0 * math.log(here)
            seen[5] = 3.0 * math.log((4.0 + row[Row.CLICKS]) / (4.0 + row[Row.EXPECTED]))
            seen[6] = 0.7 * math.log1p(row[Row.EXPECTED]) - 1.0
            seen[7] = 0.7 * math.log1p(row[Row.EXPECTED_HERE]) - 0.7
            seen[8] = math.log1p(row[Row.EXPOSURES]) - 0.5
            seen[9] = math.log1p(row[Row.REPORTED])
        seen[10], seen[11], seen[12], seen[13], seen[14] = left, believed, expected_of_ad, ratio_of_ad, share_there
        for place in range(seen.size):
            seen[place] = min(max(seen[place], -BOUND), BOUND)


@kernel(nogil=True)
def observe_all(shown: Any, known: Any, out: Any) -> None:
    """Fills in the features of impressions, (n, C, features), under the scales of each, (n, K)."""
    for n in range(shown.shape[0]):
        observe_impression(shown[n], known[n], out[n])
