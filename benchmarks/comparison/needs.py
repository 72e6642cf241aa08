"""How much a policy needs of what comes in sizes, such as servers, to earn what another earns with its own.

Means over days at each size are joined by straight lines, and what is needed is the least size at which they reach what is
wanted. Earnings that rise less and less with size lie above such lines, so that what a policy can do without is, if anything,
understated. Intervals come from days drawn with replacement, the same ones for both policies and all sizes (Efron 1979).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from ...simulator.core.arrays import Floats
from .statistics import FEWEST, LEVEL, Estimate, Interval

DRAWS = 4_000  # of days, for an interval


def needed(sizes: Floats, earned: Floats, wanted: Floats) -> Floats:
    """The least size at which a broken line through (`sizes`, `earned`) reaches `wanted`.

    Where even the first size earns more, or no size as much, it is the end of the sizes on that side.

    Args:
        sizes: (S,), rising.
        earned: (..., S).
        wanted: (...).
    """
    enough = earned >= wanted[..., None]
    after = np.where(enough.any(axis=-1), enough.argmax(axis=-1), sizes.size - 1)
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(earned, place[..., None], axis=-1)[..., 0] for place in (before, after))
    share = np.divide(wanted - low, high - low, out=np.ones_like(low), where=high > low)
    found: Floats = sizes[before] + np.clip(share, 0.0, 1.0) * (sizes[after] - sizes[before])
    return np.where(enough[..., 0], sizes[0], np.where(enough.any(axis=-1), found, sizes[-1]))


def change(sizes: Floats, earned: Floats, reference: Floats, own: float, dice: np.random.Generator) -> Estimate:
    """By what share of its `own` size a reference has more than a policy needs to earn the same: -0.2 for a fifth less.

    The interval is the bootstrap's percentiles, set further out as Student's t is wider than the normal distribution and a
    sample's spread smaller than that of what it is drawn from (the expanded percentile interval of Hesterberg, The American
    Statistician 2015); None where fewer than `FEWEST` days were seen.

    Args:
        sizes: (S,), rising.
        earned: by the policy at each size on each day, (S, days).
        reference: what the reference earned at its own size, (days,).
        own: that size.
        dice: draws the days.
    """
    days = reference.size
    share = float(needed(sizes, earned.mean(axis=1), reference.mean()) / own - 1.0)
    if days < FEWEST:
        return Estimate(share, None)
    weights = dice.multinomial(days, np.full(days, 1.0 / days), DRAWS) / days
    drawn = needed(sizes, weights @ earned.T, weights @ reference) / own - 1.0
    tail = float(ndtr(-np.sqrt(days / (days - 1)) * stdtrit(days - 1, 0.5 + LEVEL / 2)))
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Estimate(share, Interval(float(low), float(high)))
