"""What requests are worth: by what factor their clicks convert, by traffic tier, hour and day, and request by request.

As with surfaces (see there) the market's conversions per click are those where the factor is largest, and a request's `lift` is
its factor over that one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.arrays import Floats, Integers, Keys
from ..core.chance import Stream, autoregression, generator, normal_draw
from ..core.compiled import kernel
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
    settings, sigma = scenario.weather.tiers, scenario.weather.request_sigma
    own = 1.0 if sigma is None else math.exp(REACH * sigma - sigma**2 / 2)
    if settings is None:
        return own
    # The deviation s grows over the day, and with it REACH s - s^2 / 2 up to s = REACH.
    deviation = min(settings.tick_sigma / math.sqrt(1 - settings.tick_correlation**2), REACH)
    return own * math.exp(max(settings.level) + settings.amplitude + REACH * deviation - deviation**2 / 2)


def differs(scenario: Scenario) -> bool:
    """Whether requests differ in what they are worth."""
    return scenario.weather.tiers is not None or scenario.weather.request_sigma is not None


def usual_lifts(scenario: Scenario, users: People, keys: Keys, who: Integers, ticks: Integers) -> Floats:
    """The lifts of the first requests of a world with these `keys`, on days without weather; shape (n,).

    `who` are their users, `ticks` those of the day in which they come.
    """
    settings, lift = scenario.weather.tiers, np.ones(who.size)
    if settings is not None:
        lift = usual_worth(settings, scenario.ticks_per_day)[ticks, users.tier[users.segment[who]]]
    lift /= greatest_worth(scenario)
    if scenario.weather.request_sigma is not None:
        add_mood(keys[Stream.MOOD], 0, scenario.weather.request_sigma, lift)
    return lift


@kernel()
def add_mood(key: Any, first: Any, sigma: Any, lift: Any) -> None:
    """Multiplies the lifts of requests, of which the number of the one in place 0 is `first`, by log-normals of mean 1.

    Each stays within REACH standard deviations, for which it is of mean a little off 1: by .04% at a sigma of .6.
    """
    for j in range(lift.size):
        z = min(max(normal_draw(key, first + j, 0), -REACH), REACH)
        lift[j] *= math.exp(sigma * z - sigma * sigma / 2)


class Lifts:
    """The lift of each request of a world: by its tier and the tick in which it comes, and its own."""

    def __init__(self, scenario: Scenario, users: People, keys: Keys, seed: int) -> None:
        ticks, settings = scenario.ticks_per_day, scenario.weather.tiers
        if settings is None:
            days = [np.ones((ticks, int(users.tier.max()) + 1))] * scenario.days
        else:
            days = [worth(settings, ticks, seed, day) for day in range(scenario.days)]
        self._lift, self._tick_us = np.concatenate(days) / greatest_worth(scenario), scenario.tick_us
        self._tier, self._sigma, self._key = users.tier[users.segment], scenario.weather.request_sigma, keys[Stream.MOOD]

    def fill(self, first: int, times: Integers, users: Integers, out: Floats) -> None:
        """Writes the lifts of requests from number `first` on; those that never come count as of the last tick."""
        tick = np.minimum(times // self._tick_us, len(self._lift) - 1)
        out[:] = self._lift[tick, self._tier[users]]
        if self._sigma is not None:
            add_mood(self._key, first, self._sigma, out)
