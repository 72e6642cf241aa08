"""What the serving layer sees: traffic, queues, servers and takings of each tier; nothing of the truth or the future."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.arrays import Floats, Integers


class Earnings(NamedTuple):
    """What requests have earned on earlier days, by depth (D,), when their tier's worth was 1 and no server was short."""

    depths: Floats  # (D,) from 0 to 1, see `depths.quotas_at`
    revenue: Floats  # (held, D) currency a request
    work_s: Floats  # (held, D) server seconds a request

    def revenue_at(self, depth: Floats) -> Floats:
        """What a request earns at depths (held,)."""
        return np.array([np.interp(x, self.depths, row) for x, row in zip(depth, self.revenue, strict=True)])

    def work_at(self, depth: Floats) -> Floats:
        """What a request costs at depths (held,), server seconds."""
        return np.array([np.interp(x, self.depths, row) for x, row in zip(depth, self.work_s, strict=True)])

    def depth_of(self, work_s: Floats) -> Floats:
        """The depths (held,) at which requests cost so many server seconds."""
        return np.array([np.interp(x, row, self.depths) for x, row in zip(work_s, self.work_s, strict=True)])


class Others(NamedTuple):
    """Tiers that others hold, together."""

    arrived: int
    work_s: float  # begun, server seconds
    waiting: int  # now


class ComputeView(NamedTuple):
    """What a policy sees at the start of an interval; arrays have shape (held,), a tier each, unless said otherwise.

    What happened is of the interval that has just ended; zeros at the very start. Money in currency.
    """

    day: int
    tick: int  # of the day
    ticks: int  # of a day
    number: int  # of the interval, of the day
    intervals: int  # of a day
    interval_s: float
    tiers: tuple[str, ...]  # those held, the first served first
    forecast: Floats  # (intervals, held) expected requests of an expected day
    usual: Floats  # (intervals, held) by what factor their clicks usually convert
    earnings: Earnings
    most: Integers  # (held, L, 3) the scenario's quotas, which none may exceed: recall, rough, fine by level
    cached: int  # ads that there are for a request for which nothing is recalled
    deadline_s: float  # inf: none
    autoscaling: tuple[int, int] | None  # fewest and most servers that may be ordered; None: they are given
    servers: int  # that work now
    planned: int  # as the scenario has them
    quotas: Integers  # (held, L, 3) in force
    after_s: Floats  # (held, L) the waits from which on they hold
    depth: Floats  # of the full level: where on the scale of `depths.quotas_at` its server seconds lie
    arrived: Integers
    served: Integers  # auctioned
    lost: Integers  # answered too late, or not at all
    begun: Integers
    work_s: Floats  # begun, server seconds
    wait_s: Floats  # mean, of those begun
    stepped_down: Floats  # share of those begun that got less than the full level
    revenue: Floats  # charged, and owed for conversions
    believed: Floats  # value of what was shown, by the platform's estimate
    waiting: Integers  # requests that wait now
    others: Others

    @property
    def capacity_s(self) -> float:
        """Server seconds of an interval with the servers that work now."""
        return self.servers * self.interval_s

    @property
    def coming(self) -> Floats:
        """Expected requests of the interval that begins; of the last one where the day is over."""
        now: Floats = self.forecast[min(self.number, self.intervals - 1)]
        return now

    @property
    def worth(self) -> Floats:
        """What a request of the interval that begins usually earns at each depth of `earnings`, (held, D)."""
        usual: Floats = self.earnings.revenue * self.usual[min(self.number, self.intervals - 1)][:, None]
        return usual
