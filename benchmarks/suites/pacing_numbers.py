"""What is said of pacing in numbers: how early money ends, how evenly it is spent, what one campaign may envy another."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats

GONE = 0.01  # share of a budget that is as good as nothing


def exhausted(spend: Floats, requests: Floats, budget: Floats) -> Floats:
    """The share of a day's requests that come when a budget is as good as gone, (K,), to the tick.

    Args:
        spend: of each tick, (ticks, K) currency.
        requests: of each tick, (ticks,).
        budget: of the day, (K,) currency, above 0.
    """
    left = 1 - (np.cumsum(spend, axis=0) - spend) / budget  # as ticks begin
    gone: Floats = requests @ (left < GONE) / max(requests.sum(), 1)
    return gone


def unevenness(spend: Floats, requests: Floats) -> Floats:
    """The mean distance over a day of each campaign's course of spend, over its own sum, from that of requests, (K,).

    Arguments as in `exhausted`.
    """
    course = np.cumsum(spend, axis=0)
    traffic = np.cumsum(requests) / max(requests.sum(), 1)
    share = np.divide(course, course[-1], out=np.zeros_like(course), where=course[-1] > 0)
    distance: Floats = np.abs(share - traffic[:, None]).mean(axis=0)
    return distance


def envy(worth: Floats, spend: Floats, budget: Floats) -> Floats:
    """By what share of it each campaign falls short of the outcome it would like best, scaled to its own budget, (K,).

    The outcome of j is what it was shown and the money that it has left. To i it is worth what those impressions would have
    brought i, and that money. With B_i / B_j of it i compares its own; 0: it envies nobody. A first-price pacing equilibrium of
    one slot is free of envy up to budgets, being a competitive equilibrium (Conitzer et al., Management Science 2022), as
    equilibria of Eisenberg and Gale are; with unequal budgets envy is Varian's of equal ones (JET 1974).

    Args:
        worth: what was shown of j is worth to i, (K, K) currency.
        spend: (K,) currency.
        budget: (K,) currency, above 0.
    """
    outcome = worth + (budget - spend)
    best = (outcome * budget[:, None] / budget).max(axis=1)
    short: Floats = 1 - np.divide(np.diag(outcome), best, out=np.ones_like(best), where=best > 0)
    return short


def nash_welfare(value: Floats, entitled: Floats, budget: Floats) -> float:
    """The mean of value over what each is entitled to, geometric and by budget: Nash's product, as Eisenberg and Gale have it.

    0 if anybody has nothing who is entitled to something. All arguments (K,) currency.
    """
    owed = entitled > 0
    weight = budget[owed] / budget[owed].sum() if owed.any() else np.zeros(0)
    return float(np.prod((value[owed] / entitled[owed]) ** weight))
