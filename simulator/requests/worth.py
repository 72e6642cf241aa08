"""What requests of a traffic tier are worth: by what factor their clicks convert, hour by hour and day by day.

As with surfaces (see there) the market's conversions per click are those where the factor is largest, and a request's `lift` is
its factor over that one.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.arrays import Floats, Integers
from ..core.chance import Stream, autoregression, generator
from ..population.users import People
from ..scenario.demand import TierWorth
from ..scenario.tree import Scenario

REACH = 3.0  # standard deviations beyond which weather does not go


def usual_worth(settings: TierWorth, ticks: int) -> Floats:
    """The factors that everybody knows, of a day without weather, (ticks, tiers)."""
    peak = np.array(settings.peak or (0.5,) * len(settings.level))
    hour = (np.arange(ticks)[:, None] + 0.5) / ticks
    usual: Floats = np.exp(np.array(settings.level) + settings.amplitude * np.cos(2 * np.pi * (hour - peak)))
    return usual


def worth(settings: TierWorth, ticks: int, seed: int, day: int) -> Floats:
    """The factors of a day, (ticks, tiers): the usual ones times a weather of mean 1, before what is rare is cut off."""
    sigma, kept = settings.tick_sigma, settings.tick_correlation
    dice = generator(seed, Stream.WORTH, day)
    walk = autoregression(kept, sigma * dice.standard_normal((ticks, len(settings.level))))
    variance = autoregression(kept**2, np.full((ticks, 1), sigma**2))
    reach = REACH * np.sqrt(variance)
    factors: Floats = usual_worth(settings, ticks) * np.exp(np.clip(walk, -reach, reach) - variance / 2)
    return factors


def greatest_worth(scenario: Scenario) -> float:
    """The largest factor there can be; 1 where requests are all worth the same."""
    settings = scenario.weather.tiers
    if settings is None:
        return 1.0
    # The deviation s grows over the day, and with it REACH s - s^2 / 2 up to s = REACH.
    deviation = min(settings.tick_sigma / math.sqrt(1 - settings.tick_correlation**2), REACH)
    return math.exp(max(settings.level) + settings.amplitude + REACH * deviation - deviation**2 / 2)


def usual_lifts(scenario: Scenario, users: People, who: Integers, ticks: Integers) -> Floats:
    """The lifts that requests have on a day without weather, by their users and ticks of the day; shape (n,)."""
    settings = scenario.weather.tiers
    if settings is None:
        return np.ones(who.size)
    usual: Floats = usual_worth(settings, scenario.ticks_per_day)[ticks, users.tier[users.segment[who]]]
    return usual / greatest_worth(scenario)


class TierLifts:
    """The lift of each request of a world, by its tier and the tick in which it comes."""

    def __init__(self, scenario: Scenario, settings: TierWorth, users: People, seed: int) -> None:
        ticks = scenario.ticks_per_day
        days = [worth(settings, ticks, seed, day) for day in range(scenario.days)]
        self._lift, self._tick_us = np.concatenate(days) / greatest_worth(scenario), scenario.tick_us
        self._tier = users.tier[users.segment]

    def fill(self, times: Integers, users: Integers, out: Floats) -> None:
        """Writes the lifts of requests; those that never come count as of the last tick."""
        tick = np.minimum(times // self._tick_us, len(self._lift) - 1)
        out[:] = self._lift[tick, self._tier[users]]
