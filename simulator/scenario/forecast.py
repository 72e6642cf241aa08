"""What everybody is told of traffic beforehand: the share of an expected day's requests that each tick should bring."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import Floats
from .people import Sessions, day_shares
from .tree import Scenario

FINE = 8  # pieces of a tick in which sessions are taken to start
NEGLIGIBLE = 1e-9  # a request that is made less often than that does not count


class Forecast(NamedTuple):
    """A day without weather, like the day before it."""

    shares: Floats  # (ticks,) of the day's expected requests, summing to 1; read-only
    elapsed: tuple[float, ...]  # see `elapsed_before`
    left: tuple[int, ...]  # requests expected from the beginning of each tick on


@lru_cache(maxsize=64)
def day_ahead(scenario: Scenario) -> Forecast:
    """What everybody is told of a scenario's days."""
    shares = forecast(scenario)
    shares.flags.writeable = False
    left = tuple(round(scenario.expected_requests * shares[tick:].sum()) for tick in range(shares.size))
    return Forecast(shares, elapsed_before(shares), left)


def elapsed_before(shares: Floats) -> tuple[float, ...]:
    """The sums of a day's shares before each tick, and of all."""
    return tuple(float(shares[:tick].sum()) for tick in range(shares.size + 1))


def forecast(scenario: Scenario) -> Floats:
    """Expected shares of a day's requests, (ticks,), summing to 1, on a day without weather like the day before it.

    Where users come in sessions, the traffic curve says when these begin; their requests come later, and fewer of them the
    longer the session has lasted.
    """
    ticks = scenario.ticks_per_day
    if scenario.sessions is None:
        return day_shares(scenario.traffic.curve, ticks)
    starts = day_shares(scenario.traffic.curve, ticks * FINE)
    later = _course(scenario.sessions, scenario.ads_per_request, scenario.day_s, starts.size)
    made = np.fft.irfft(np.fft.rfft(starts) * later, starts.size).reshape(ticks, FINE).sum(axis=1)
    made = np.maximum(made, 0.0)  # of a tick in which nothing begins, rounding leaves a hair on either side of 0
    shares: Floats = made / made.sum()
    return shares


def _course(settings: Sessions, ads: float, day_s: float, pieces: int) -> NDArray[np.complex128]:
    """The Fourier coefficients, round a day, of a session's expected requests by the time since it began.

    Request n comes after n x `videos` exponential times: their sum has the characteristic function (1 + i w video_s)^-(n x
    videos) at frequency w, weighted by the probability that the session gets so far.
    """
    omega = 2 * np.pi * np.arange(pieces // 2 + 1) / day_s
    between = (1 + 1j * omega * settings.video_s) ** -settings.videos
    total, moved = np.zeros(omega.size, np.complex128), np.ones(omega.size, np.complex128)
    for made in settings.survival(ads, math.ceil(-math.log(NEGLIGIBLE) * settings.mean_requests) + 1):
        if made < NEGLIGIBLE:
            break
        total += made * moved
        moved *= between
    return total
