"""Conversions that would have come without any ad, so that what an ad adds is known: the truth behind uplift.

Whether a user converts anyway is a function of user, day and campaign. An ad gets the credit for every conversion after a
click on it; those of users who would have converted that day anyway are not incremental.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, uniform
from ..core.compiled import inlined, kernel, spelt_out
from ..core.errors import InvariantError
from ..population.ads import AdVectors
from ..population.campaigns import Campaigns
from ..population.rates import sigmoid, true_click_rate
from ..population.users import People
from ..scenario.tree import Scenario

DAYS = 1 << 24  # more than a market can have: a user's days are numbers of their own


class Baseline(NamedTuple):
    """What the kernel knows of organic conversions; K campaigns. Without any arrays: nobody converts without an ad."""

    odds: Floats  # (K,) log-odds of a user's organic conversion on a day, less slope x user . ad
    ad: Integers  # (K,) whose vector says how much a user likes the campaign
    slope: float
    day_us: int
    incremental: Integers  # (K,) conversions of the tick under way that would not have come anyway
    value: Floats  # (K,) and their true expected value, currency


def new_baseline(scenario: Scenario, table: Campaigns, people: People, ads: AdVectors | None) -> Baseline:
    """Who converts without an ad; without arrays where nobody does."""
    organic = scenario.response.organic
    count = 0 if organic is None else len(table.names)
    odds, slope, first = np.zeros(count), 0.0, table.first_ad[:count].copy()
    if organic is not None:
        odds += math.log(organic.rate / (1 - organic.rate))
        slope = organic.slope
        if slope and ads is not None:
            odds -= slope * (ads.vectors[first].astype(np.float64) @ people.interests.mean(axis=0, dtype=np.float64))
    return Baseline(odds, first, slope, scenario.day_us, np.zeros(count, np.int64), np.zeros(count))


@spelt_out
def has_organic(state: Any) -> Any:
    """Whether users convert without ads, too."""
    return state.baseline.odds.size > 0


@inlined
def organic_rate(k: Any, user: Any, truth: Any, baseline: Any) -> Any:
    """Probability that a user converts on a day without an ad of campaign k."""
    odds = baseline.odds[k]
    if baseline.slope != 0.0:
        for d in range(truth.ads.shape[1]):
            odds += baseline.slope * np.float64(truth.users[user, d]) * np.float64(truth.ads[baseline.ad[k], d])
    return sigmoid(odds)


@inlined
def organic_draw(k: Any, user: Any, day: Any, keys: Any) -> Any:
    """The draw that makes a user convert without an ad if it lies below the rate."""
    return uniform(keys[Stream.ORGANIC], user * DAYS + day, k)


@spelt_out
def count_increment(k: Any, user: Any, now: Any, worth: Any, converted: Any, state: Any) -> None:
    """Notes what an impression of campaign k, of value `worth`, adds to what its user would have done this day anyway."""
    baseline = state.baseline
    anyway = organic_rate(k, user, state.truth, baseline)
    baseline.value[k] += worth * (1.0 - anyway)
    baseline.incremental[k] += converted and organic_draw(k, user, now // baseline.day_us, state.keys) >= anyway


@kernel(nogil=True)
def true_rates(users: Any, ads: Any, campaigns: Any, state: Any, click: Any, anyway: Any) -> None:
    """For judges: true click rates on first sight and organic rates of user n for ad n of campaign n, all of shape (n,)."""
    for n in range(users.size):
        click[n] = true_click_rate(ads[n], 0.0, users[n], 0, state.truth)
        anyway[n] = 0.0
        if has_organic(state):
            anyway[n] = organic_rate(campaigns[n], users[n], state.truth, state.baseline)


@kernel(nogil=True)
def true_organic(users: Any, days: Any, campaigns: Any, state: Any, out: Any) -> None:
    """For judges: whether user n converts on day n without an ad of campaign n; all of shape (n,)."""
    for n in range(users.size):
        rate = organic_rate(campaigns[n], users[n], state.truth, state.baseline)
        out[n] = organic_draw(campaigns[n], users[n], days[n], state.keys) < rate


class IncrementBooks:
    """What ads added in each closed tick: `incremental` conversions and their expected `value`, (ticks, campaigns)."""

    def __init__(self, ticks: int, baseline: Baseline) -> None:
        self.incremental = np.zeros((ticks, baseline.odds.size), np.int64)
        self.value = np.zeros((ticks, baseline.odds.size))

    def close_tick(self, tick: int, baseline: Baseline, conversions: Integers) -> None:
        """Books the tick that ends, in which campaigns had so many conversions, and clears the kernel's counters.

        Raises:
            InvariantError: if more conversions were incremental than there were.
        """
        self.incremental[tick], self.value[tick] = baseline.incremental, baseline.value
        baseline.incremental[:] = 0
        baseline.value[:] = 0.0
        if (self.incremental[tick] > conversions).any():
            raise InvariantError("a campaign has more incremental conversions than conversions")
