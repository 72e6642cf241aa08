"""What never changes of a scenario's tiers: forecasts, what requests usually are worth and earn, what there is room for."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...core.arrays import Floats, Integers
from ...delivery.quotas import Ladders, service_s, tiers_of
from ...market.earnings import earnings
from ...market.market import build
from ...requests.traffic import NEVER
from ...requests.worth import usual_worth
from ...scenario.forecast import forecast
from ...scenario.tree import Scenario
from .depths import GRID, quotas_at
from .view import Earnings

SAMPLED = GRID[::4]  # depths at which earnings are sampled; straight between them


class Known(NamedTuple):
    """Of all T tiers, or of those that somebody holds."""

    forecast: Floats  # (intervals, T) expected requests
    usual: Floats  # (intervals, T) by what factor their clicks usually convert
    earnings: Earnings  # (T, D)
    most: Integers  # (T, L, 3) the scenario's quotas
    after_s: Floats  # (T, L) its waits; inf for levels that a tier lacks
    last: Integers  # (T,) the level at which a tier's ladder ends

    def of(self, held: Integers) -> Known:
        """Of the tiers in such places."""
        depths, revenue, work_s = self.earnings
        its = Earnings(depths, revenue[held], work_s[held])
        return Known(self.forecast[:, held], self.usual[:, held], its, self.most[held], self.after_s[held], self.last[held])


def interval_us(scenario: Scenario) -> int:
    """Microseconds between two decisions."""
    every = None if scenario.serving is None else scenario.serving.control_s
    return scenario.tick_us if every is None else round(every * 1e6)


def seconds(after_us: Integers) -> Floats:
    """Waits in microseconds as policies see them; inf where a tier lacks the level."""
    return np.where(after_us == NEVER, np.inf, after_us / 1e6)


@lru_cache(maxsize=16)
def known(scenario: Scenario) -> Known:
    """Of all tiers; worlds of one scenario share it, and nothing of it can be written to."""
    assert scenario.funnel is not None
    tiers, ticks, people = tiers_of(scenario), scenario.ticks_per_day, build(scenario).users
    ladders = Ladders.of(scenario.funnel, tiers)
    share = np.diff(people.segment_share, axis=1, prepend=0.0)
    by_tier = np.stack([share[:, people.tier == t].sum(axis=1) for t in range(tiers)], axis=1)
    expected = scenario.expected_requests * forecast(scenario)[:, None] * by_tier  # (ticks, T)
    settings = scenario.weather.tiers
    usual = np.ones((ticks, tiers)) if settings is None else usual_worth(settings, ticks)
    spans = _spans(scenario)
    found = Known(
        forecast=spans @ expected,
        usual=spans @ usual / spans.sum(axis=1, keepdims=True),
        earnings=_earnings(scenario, ladders),
        most=ladders.quotas,
        after_s=seconds(ladders.after_us),
        last=ladders.levels - 1,
    )
    for array in (found.forecast, found.usual, *found.earnings, found.most, found.after_s, found.last):
        array.flags.writeable = False
    return found


def _spans(scenario: Scenario) -> Floats:
    """Which share of each tick lies in each interval of a day, (intervals, ticks)."""
    every, tick = interval_us(scenario), scenario.tick_us
    start = np.arange(-(-scenario.day_us // every))[:, None] * every
    end = np.minimum(start + every, scenario.day_us)
    opens = np.arange(scenario.ticks_per_day) * tick
    overlap: Floats = np.maximum(np.minimum(end, opens + tick) - np.maximum(start, opens), 0) / tick
    return overlap


def _earnings(scenario: Scenario, ladders: Ladders) -> Earnings:
    """By depth, of each tier up to its own full quotas."""
    assert scenario.serving is not None
    assert scenario.funnel is not None
    full = ladders.quotas[:, 0]
    revenue = np.empty((len(full), GRID.size))
    for quotas in {tuple(row) for row in full.tolist()}:
        alike = quotas_at(SAMPLED, np.array(quotas), ladders.cached)
        sampled = earnings(scenario, tuple(tuple(row) for row in alike.tolist()))
        for t in np.flatnonzero((full == quotas).all(axis=1)):
            revenue[t] = np.interp(GRID, SAMPLED, sampled[t])
    work = service_s(scenario.serving, scenario.funnel, quotas_at(np.tile(GRID, (len(full), 1)), full[:, None], ladders.cached))
    return Earnings(GRID.copy(), revenue, work)
