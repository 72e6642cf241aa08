"""What a campaign is judged by: the score of a day's value and spend under its objective, and the most that can be had of it.

| objective | score of value V and spend S |
|---|---|
| max_value | V |
| target_cpa, target_roas | V min(1, (C V / S)^2), where C V is the most that V may cost under the target |
| utility | V - S |

V is true expected value in currency, of conversions that are attributed to the ad: those in which a target is set and met. For
judges only.
"""

from __future__ import annotations

import numpy as np

from ..simulator.core.arrays import Floats
from ..simulator.scenario.demand import Objective

TARGETS: tuple[Objective, ...] = ("target_cpa", "target_roas")


def score(objective: Objective, value: Floats, spend: Floats, worth_of_spend: float = 1.0) -> Floats:
    """The score of each day, in currency, of the shape of `value` and `spend`; `worth_of_spend` is C, see `target_score`."""
    if objective in TARGETS:
        return target_score(value, spend, worth_of_spend)
    value, spend = np.asarray(value, np.float64), np.asarray(spend, np.float64)
    gained: Floats = value - spend if objective == "utility" else value + np.zeros_like(spend)
    return gained


def target_score(value: Floats, spend: Floats, worth_of_spend: float) -> Floats:
    """The soft score F = V min(1, (C V / S)^2) of value V and spend S; F = V where nothing was spent, 0 where V = 0.

    It is the score of AuctionNet's competition (Su et al., NeurIPS 2024, beta = 2). `worth_of_spend` is C: 1 where V is
    conversions times the target CPA; target CPA / value of a conversion, or 1 / target ROAS, where V is in currency.
    """
    value, spend = np.asarray(value, np.float64), np.asarray(spend, np.float64)
    kept = np.divide(worth_of_spend * value, spend, out=np.ones_like(value + spend), where=spend > 0)
    scored: Floats = value * np.minimum(1.0, kept) ** 2
    return scored


def best_score(objective: Objective, spend: Floats, value: Floats, worth_of_spend: float = 1.0) -> float:
    """The most score along a frontier: `value` is the most that `spend` buys, at its corners, concave and straight between.

    Both are (corners,), rising from what is had for nothing, in one unit of money. At a given spend every score grows with
    value, so only the frontier matters. Value and utility are concave along it, so that a corner is best. Under a target V / S
    falls, so the score is V up to the spend at which C V = S, and C^2 V^3 / S^2 beyond: on a straight piece V = a + b S that
    has its only stationary point at S = 2 a / b, a least one, so corners and that spend are all there is to try.
    """
    best = float(score(objective, value, spend, worth_of_spend).max())
    slack = worth_of_spend * value - spend
    over = int(np.argmax(slack < 0))
    if objective in TARGETS and slack[over] < 0:  # never at the first corner, where nothing is spent
        share = slack[over - 1] / (slack[over - 1] - slack[over])
        best = max(best, float(value[over - 1] + share * (value[over] - value[over - 1])))
    return best
