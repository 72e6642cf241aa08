"""A linear model of clicks over what belief lets expect: content, the creative, and the creative in the user's segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.creative.view import WIDTH, Column, Facts, Row
from ..parameters import LogUniform, Range, check_number
from .scoring import FIRST, Casts, freshness, piece, row_of

SPACE: dict[str, Range] = {
    "content_sigma": LogUniform(0.05, 1.0), "creative_sigma": LogUniform(0.05, 0.6), "segment_sigma": LogUniform(0.05, 0.6),
}  # fmt: skip
SEGMENTS, OWN = FIRST, FIRST + 1  # places in memory
PICKED, SEGMENT, WEIGHT, CLICKS, NOTES = range(5)  # what an ad's row begins with: its last impression; NOTES of them


@dataclass
class Linear(Casts):
    """Base: Bayesian linear regression of click / expected - 1, each ad by itself.

    Clicks of expectation e have variance e (1 + x): so they weigh e. Prior means: 1 for what content tells, 0 for the rest.
    """

    content_sigma: float = 0.5  # prior standard deviation of what is wrong with content, as a share of what it tells
    creative_sigma: float = 0.2  # of a creative
    segment_sigma: float = 0.3  # of a creative in a segment

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in SPACE:
            check_number(self, name, above=0)

    def settings(self, facts: Facts) -> list[float]:
        return [facts.segments]

    def own(self, facts: Facts) -> Floats:
        """Notes, the mean's numerator q (f,), and the covariance P (f, f), of each ad."""
        places, both = facts.creatives, facts.creatives * facts.segments
        sigma = np.repeat([self.content_sigma, self.creative_sigma, self.segment_sigma], [1, places, both])
        numerator = np.zeros(sigma.size)
        numerator[0] = 1.0 / self.content_sigma**2
        row = np.concatenate([[-1.0, 0.0, 0.0, 0.0], numerator, np.diag(sigma**2).ravel()])
        return np.tile(row, (facts.ads, 1))


@piece
def parts(own: Any, places: Any, segments: Any) -> Any:
    """q (f,) and P (f, f) in an ad's row."""
    f = 1 + places + places * segments
    return own[NOTES : NOTES + f], own[NOTES + f : NOTES + f + f * f].reshape((f, f))


@piece
def learn(view: Any, places: Any, memory: Any, own: Any) -> None:
    """Takes in what came of the ad's last impression (Sherman and Morrison), if there was one."""
    if own[PICKED] < 0.0:
        return
    segments, c = int(memory[SEGMENTS]), int(own[PICKED])
    q, p = parts(own, places, segments)
    row = row_of(view, c)
    i, j, z, w = 1 + c, 1 + places + c * segments + int(own[SEGMENT]), row[Row.CONTENT], own[WEIGHT]
    y = (row[Row.CLICKS] - own[CLICKS]) / w - 1.0
    v = z * p[:, 0] + p[:, i] + p[:, j]
    gain = w / (1.0 + w * (z * v[0] + v[i] + v[j]))
    q[0] += w * y * z
    q[i] += w * y
    q[j] += w * y
    for r in range(v.size):
        for s in range(v.size):
            p[r, s] -= gain * v[r] * v[s]


@piece
def remember(view: Any, places: Any, c: Any, memory: Any, own: Any) -> None:
    """Notes an impression of the creative in place c, whose outcome is seen at the next."""
    row = row_of(view, c)
    own[PICKED], own[SEGMENT] = c, view[Column.SEGMENT]
    own[WEIGHT], own[CLICKS] = max(view[Column.BELIEVED] * freshness(row, memory), 1e-9), row[Row.CLICKS]


@piece
def means(view: Any, places: Any, memory: Any, own: Any, out: Any) -> None:
    """Fills out (places,) with the posterior means for this impression."""
    segments = int(memory[SEGMENTS])
    q, p = parts(own, places, segments)
    for c in range(places):
        i, j, z = 1 + c, 1 + places + c * segments + int(view[Column.SEGMENT]), row_of(view, c)[Row.CONTENT]
        out[c] = 0.0
        for s in range(q.size):
            out[c] += (z * p[0, s] + p[i, s] + p[j, s]) * q[s]


@piece
def covariance(view: Any, places: Any, c: Any, d: Any, memory: Any, own: Any) -> Any:
    """That of what is expected of the creatives in places c and d for this impression."""
    segments = int(memory[SEGMENTS])
    _, p = parts(own, places, segments)
    i, j, z = 1 + c, 1 + places + c * segments + int(view[Column.SEGMENT]), view[Column.ROWS + c * WIDTH + Row.CONTENT]
    k, m, u = 1 + d, 1 + places + d * segments + int(view[Column.SEGMENT]), view[Column.ROWS + d * WIDTH + Row.CONTENT]
    whole = z * u * p[0, 0] + z * (p[0, k] + p[0, m]) + u * (p[i, 0] + p[j, 0])
    return whole + p[i, k] + p[i, m] + p[j, k] + p[j, m]
