"""When requests come, and who sends them: a non-homogeneous Poisson process by time change, in blocks.

Request i arrives when the cumulative intensity reaches the i-th partial sum of unit-rate exponentials (Cinlar 1975), so
its time is a pure function of the seed and of the knots of the intensity. A surge moves the knots that lie ahead, and only
requests that have not arrived are placed anew.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.chance import Stream, alias_draw, autoregression, generator, uniform
from ..core.compiled import inlined, kernel
from ..scenario.people import day_shares
from ..scenario.tree import Scenario

NEVER = np.int64(1 << 62)
GAP, SEGMENT, USER = int(Stream.GAP), int(Stream.SEGMENT), int(Stream.USER)


def traffic_weather(scenario: Scenario, seed: int, day: int) -> NDArray[np.float64]:
    """Factors on the traffic of each tick of a day: a level, an AR(1), both of mean 1, and perhaps a surge."""
    traffic, ticks = scenario.traffic, scenario.ticks_per_day
    dice = generator(seed, Stream.TRAFFIC, day)
    level = traffic.day_sigma * dice.standard_normal() - traffic.day_sigma**2 / 2
    log = autoregression(traffic.tick_correlation, traffic.tick_sigma * dice.standard_normal(ticks))
    log -= autoregression(traffic.tick_correlation**2, np.full(ticks, traffic.tick_sigma**2)) / 2
    factors = np.exp(level + log)
    if dice.random() < traffic.surge_probability:
        tick_hours = scenario.day_s / ticks / 3600
        first = int(dice.integers(ticks))
        length = max(1, round(dice.uniform(*traffic.surge_hours) / tick_hours))
        factors[first : first + length] *= dice.uniform(*traffic.surge_factor)
    return factors


class Share(NamedTuple):
    """The part of a market's traffic that is played in one place."""

    of: NDArray[np.float64]  # (ticks,) of the requests of each tick of the day; or (1,) of all
    first: int  # number of its first request


WHOLE = Share(np.ones(1), 0)


class Intensity(NamedTuple):
    """A piecewise constant intensity: from time[j] on, rate[j] requests a microsecond; `total[j]` expected before it."""

    time: NDArray[np.int64]
    total: NDArray[np.float64]
    rate: NDArray[np.float64]

    @classmethod
    def of(cls, scenario: Scenario, seed: int, before: int = 0, share: Share = WHOLE) -> Intensity:
        """The intensity of every tick of the horizon, and of so many ticks `before` it, without weather; after it, none.

        Of all requests, or of a `share` of them, which the same weather has.
        """
        shares = day_shares(scenario.traffic.curve, scenario.ticks_per_day)
        earlier = shares[np.arange(-before, 0) % shares.size]
        of_days = [shares * traffic_weather(scenario, seed, day) for day in range(scenario.days)]
        expected = scenario.traffic.requests_per_day * np.concatenate([earlier, *of_days])
        expected *= share.of[np.arange(-before, expected.size - before) % share.of.size]
        rate = np.append(expected / scenario.tick_us, 0.0)
        time = np.arange(-before, rate.size - before, dtype=np.int64) * scenario.tick_us
        return cls(time, _totals(time, rate, 0.0), rate)

    def scaled(self, now: int, factor: float) -> Intensity:
        """The same with everything from `now` on multiplied by `factor`."""
        j = int(np.searchsorted(self.time, now, "right")) - 1
        reached = self.total[j] + self.rate[j] * (now - self.time[j])
        time = np.concatenate([self.time[: j + 1], [now], self.time[j + 1 :]])
        rate = np.concatenate([self.rate[: j + 1], self.rate[j:] * factor])
        total = np.concatenate([self.total[: j + 1], _totals(time[j + 1 :], rate[j + 1 :], reached)])
        return Intensity(time, total, rate)


def _totals(time: NDArray[np.int64], rate: NDArray[np.float64], start: float) -> NDArray[np.float64]:
    return start + np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(time))])


@inlined
def place(epoch: Any, now: Any, knot: Any, time: Any, total: Any, rate: Any) -> Any:
    """The arrival time in microseconds at which the cumulative intensity reaches `epoch`, and the knot it lies behind."""
    while knot + 1 < time.size and epoch >= total[knot + 1]:
        knot += 1
    while knot > 0 and epoch < total[knot]:
        knot -= 1
    if rate[knot] <= 0.0:
        return NEVER, knot
    return max(now, time[knot] + np.int64((epoch - total[knot]) / rate[knot])), knot


@inlined
def pick(segment_draw: Any, user_draw: Any, share: Any, segment_start: Any, alias_share: Any, alias_user: Any) -> Any:
    """The user whom two uniform draws name; `share` (segments,) is cumulative."""
    segment = 0
    for s in range(share.size - 1):
        segment += segment_draw >= share[s]
    return alias_draw(user_draw, segment_start[segment], segment_start[segment + 1], alias_share, alias_user)


@inlined
def pick_all(
    segment_draw: Any, user_draw: Any, share: Any, segment_start: Any, alias_share: Any, alias_user: Any, users: Any
) -> None:
    """The users whom `pick` finds for the draws of one tick, (n,) each; what is left in `user_draw` are Walker's coins.

    No place depends on a branch: half of those were mispredicted, after waiting for what they depended on.
    """
    users[:] = 0
    for s in range(share.size - 1):
        edge = share[s]
        for j in range(users.size):
            users[j] += np.int64(segment_draw[j] >= edge)
    for j in range(users.size):
        low, high = segment_start[users[j]], segment_start[users[j] + 1]
        at = user_draw[j] * (high - low)
        users[j], user_draw[j] = low + np.int64(at), at - np.int64(at)
    for j in range(users.size):
        place, other = users[j], alias_user[users[j]]
        users[j] = other + np.int64(user_draw[j] < alias_share[place]) * (place - other)


@inlined
def user_of(
    keys: Any, number: Any, tick: Any, segment_share: Any, segment_start: Any, alias_share: Any, alias_user: Any
) -> Any:
    """The user of request (or session) `number`, made in a tick."""
    draws = uniform(keys[SEGMENT], number, 0), uniform(keys[USER], number, 0)
    return pick(*draws, segment_share[tick % segment_share.shape[0]], segment_start, alias_share, alias_user)


@kernel(nogil=True)
def arrive(
    keys: Any, first: Any, even: Any, partial: Any, now: Any, tick_us: Any,
    time: Any, total: Any, rate: Any, segment_share: Any, segment_start: Any, alias_share: Any, alias_user: Any,
    draws: Any, epochs: Any, times: Any, users: Any,
) -> None:  # fmt: skip
    """Draws the next block of requests: fills epochs, times (microseconds) and users; `partial` (1,) is the sum so far.

    `segment_share[tick, s]` is cumulative over segments; users are drawn within theirs by Walker's alias method, place and
    coin from one draw. One thing at a time, draws into `draws` (3, block) first: short loops run twice as fast as one of all.
    """
    for stream in range(3):
        key, row = keys[(GAP, SEGMENT, USER)[stream]], draws[stream]
        for j in range(row.size):
            row[j] = uniform(key, first + j, 0)
    gap, segment_draw, user_draw = draws
    for j in range(gap.size):
        gap[j] = 1.0 if even else -math.log(gap[j])
    reached = partial[0]
    for j in range(epochs.size):
        reached += gap[j]
        epochs[j] = reached - 0.5 if even else reached
    partial[0] = reached
    knot = 0
    for j in range(epochs.size):
        times[j], knot = place(epochs[j], now, knot, time, total, rate)
    tick, first_of_tick, ticks = np.int64(0), 0, segment_share.shape[0]
    while first_of_tick < epochs.size:  # behind them are columns of requests that wait
        came, end = times[first_of_tick], first_of_tick + 1
        tick_end = NEVER
        if came != NEVER:
            tick, tick_end = came // tick_us % ticks, (came // tick_us + 1) * tick_us
        while end < epochs.size and (times[end] < tick_end or times[end] == came):
            end += 1
        its = slice(first_of_tick, end)
        pick_all(segment_draw[its], user_draw[its], segment_share[tick], segment_start, alias_share, alias_user, users[its])
        first_of_tick = end


@kernel()
def place_anew(now: Any, epochs: Any, times: Any, time: Any, total: Any, rate: Any) -> None:
    """Places requests that have not arrived yet under a changed intensity."""
    knot = 0
    for j in range(epochs.size):
        times[j], knot = place(epochs[j], now, knot, time, total, rate)
