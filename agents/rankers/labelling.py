"""Which new ads to show, where impressions are few: ads are labelled a few at a time, each by so many impressions of its own.

What ads look like is known of all, how often they are clicked of those labelled; a Bayesian logistic regression says of each
other one how often it may be clicked and how surely, and a strategy chooses whose label to pay for next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.errors import LogError
from .logs import Log
from .metrics import auc
from .uncertainty import Belief, laplace, linear_belief

VARIANCE = 1.0  # of a weight before any label; columns have mean square 1 in all
Strategy = Callable[[Belief, float, np.random.Generator], Floats]


class Ads(NamedTuple):
    """A ads: what they look like, and what their label would say."""

    looks: Floats  # (A, D) with a 1 for the intercept
    clicks: Floats  # (A,)
    shown: Floats  # (A,)

    def part(self, rows: Integers) -> Ads:
        """Some of them."""
        return Ads(*(field[rows] for field in self))


def at_random(belief: Belief, best: float, dice: np.random.Generator) -> Floats:
    """Whichever."""
    return dice.random(belief.mean.size)


def uncertainty(belief: Belief, best: float, dice: np.random.Generator) -> Floats:
    """Of which least is known (Lewis & Gale 1994)."""
    return belief.deviation


def improvement(belief: Belief, best: float, dice: np.random.Generator) -> Floats:
    """By how much the log-odds may be expected to lie above the best so far, where they do (Mockus 1978)."""
    z = (belief.mean - best) / belief.deviation
    found: Floats = belief.deviation * (z * norm.cdf(z) + norm.pdf(z))
    return found


STRATEGIES: Mapping[str, Strategy] = {"random": at_random, "uncertainty": uncertainty, "improvement": improvement}


class Labelled(NamedTuple):
    """What came of a strategy, after each round; R rounds."""

    labels: Integers  # (R,) ads labelled so far
    auc: Floats  # (R,) of clicks on the ads kept apart, ranked by what is believed of each
    click_rate: Floats  # (R,) of the impressions spent on labels so far


def labelled(pool: Ads, apart: Ads, strategy: str, seed: int, first: int, step: int, rounds: int) -> Labelled:
    """Labels `first` ads at random, the same for all strategies of a seed, then in each round `step` more by the strategy.

    Raises:
        LogError: if the pool is too small.
    """
    if first + step * rounds > len(pool.looks):
        raise LogError(f"{first} and {rounds} times {step} ads are more than the {len(pool.looks)} that may be labelled")
    dice = np.random.default_rng(seed)
    have = np.zeros(len(pool.looks), bool)
    have[dice.choice(have.size, first, replace=False)] = True
    found = []
    for number in range(rounds + 1):
        mine = pool.part(np.flatnonzero(have))
        weights, covariance = laplace(mine.looks, mine.clicks, mine.shown, VARIANCE)
        found.append((mine.shown.size, _auc(apart, apart.looks @ weights), mine.clicks.sum() / mine.shown.sum()))
        if number < rounds:
            others = np.flatnonzero(~have)
            belief = linear_belief(pool.looks[others], weights, covariance)
            score = STRATEGIES[strategy](belief, float((mine.looks @ weights).max()), dice)
            have[others[np.argsort(-score, kind="stable")[:step]]] = True
    return Labelled(*(np.array(column) for column in zip(*found, strict=True)))


def _auc(ads: Ads, odds: Floats) -> float:
    """Of all impressions of ads, each ranked by the odds of its ad."""
    clicked = np.concatenate([ads.clicks, ads.shown * 0])
    times = np.concatenate([ads.clicks, ads.shown - ads.clicks]).astype(np.int64)
    return auc(np.repeat(np.concatenate([odds, odds]), times), np.repeat(clicked > 0, times))


def ads_of(log: Log, impressions: int) -> Ads:
    """The ads of a log that have so many impressions at least; a label is made of as many, the first ones.

    Raises:
        LogError: if the log does not tell what ads look like, or fewer than two have as many impressions.
    """
    count = log.bounds("ad")[1] + 1
    shown, clicks = np.zeros(count, np.int64), np.zeros(count)
    for chunk in log.chunks(("ad", "clicked")):
        order = np.argsort(chunk["ad"], kind="stable")
        ad = chunk["ad"][order]
        place = np.arange(ad.size) - np.searchsorted(ad, ad) + shown[ad]  # of the impression among those of its ad
        early = place < impressions
        clicks += np.bincount(ad[early], chunk["clicked"][order][early], count)
        shown += np.bincount(ad, minlength=count)
    often = np.flatnonzero(shown >= impressions)
    looks = log.looks(often)
    if not looks or often.size < 2:
        what = "what ads look like" if not looks else f"two ads of {impressions} impressions each"
        raise LogError(f"the log in {str(log.folder)!r} does not tell {what}")
    columns = [np.nan_to_num(each.astype(np.float64)) * each.shape[1] ** 0.5 / len(looks) ** 0.5 for each in looks.values()]
    x = np.concatenate([*columns, np.ones((often.size, 1))], axis=1)
    return Ads(x, clicks[often], np.full(often.size, float(impressions)))
