"""What is said of a market in numbers: costs against targets, inequality, concentration, collusion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simulator.core.arrays import Floats


class Costs(NamedTuple):
    """What conversions cost campaigns as a multiple of what they want to pay, CPA / C; of those that have had value."""

    mean: float
    variance: float
    exceed: float  # share of them that pay more than C
    qualified: float  # share of all campaigns that have had value, and pay C at most


def costs(value: Floats, spend: Floats, allowed: Floats) -> Costs:
    """The cost metrics of PlatformBid (arXiv 2607.27265), by expected conversions and not by the luck of those that come.

    Args:
        value: true expected value, (K,) currency.
        spend: (K,) currency.
        allowed: (K,) what a unit of value may cost: C over the value of a conversion.
    """
    had = value > 0
    if not had.any():
        return Costs(0.0, 0.0, 0.0, 0.0)
    ratio = spend[had] / (allowed[had] * value[had])
    exceed = float((ratio > 1).mean())
    return Costs(float(ratio.mean()), float(ratio.var()), exceed, float(had.mean() * (1.0 - exceed)))


def gini(amounts: Floats) -> float:
    """Gini's coefficient of amounts (K,): 0 where all have the same, 1 - 1 / K where one has all; 0 where there is nothing."""
    total, count = float(amounts.sum()), amounts.size
    if total <= 0:
        return 0.0
    ranks = np.arange(1, count + 1)
    return float((2 * ranks - count - 1) @ np.sort(amounts)) / (count * total)


def concentration(amounts: Floats) -> float:
    """The Herfindahl-Hirschman index, the sum of squared shares: 1 / K where all have the same, 1 where one has all."""
    total = float(amounts.sum())
    return float(((amounts / total) ** 2).sum()) if total > 0 else 0.0


def collusion(revenue: float, competitive: float, joint: float) -> float:
    """Where revenue lies between that of a competitive market, 0, and that of one in which bidders act jointly, 1.

    As Calvano et al. (AER 2020) place profits. Below 0 bidders pay more than in competition, above 1 less than jointly.
    """
    return (competitive - revenue) / (competitive - joint) if competitive > joint else 0.0


def better_off(value: Floats, before: Floats) -> float:
    """The share of campaigns with more than before; who has as much counts half."""
    return float(((value > before) + 0.5 * (value == before)).mean())
