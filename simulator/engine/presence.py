"""Which campaigns are there: in flight and not paused, since when, and what of the day's traffic they could have met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Presence:
    """Keeps `active`, the kernels' own array (K,), and remembers who was away and for how long.

    `could_bid` (K,): active in all of the last tick, in which requests came. `reach` (K,): share of the day's forecast traffic
    that a campaign has met while active, or may still meet.
    """

    def __init__(self, active: NDArray[np.bool_], shares: NDArray[np.float64], tick_us: int) -> None:
        self.active, self._shares, self._tick_us = active, shares, tick_us
        self.could_bid = np.zeros(active.size, np.bool_)
        self.reach = np.ones(active.size)
        self._paused = np.zeros(active.size, np.bool_)
        self._away_since = np.zeros(active.size, np.int64)  # microseconds; of those who are not active
        self._away_us = np.zeros(active.size, np.int64)  # of the tick under way
        self._everybody = False  # is there, and has been since the tick under way began

    def open_day(self, flying: NDArray[np.bool_]) -> None:
        """A day begins on which these campaigns have a flight."""
        self.active[:] = flying & ~self._paused
        self.reach[:] = 1.0
        self._everybody = False  # perhaps: the tick that opens will tell

    def open_tick(self, now: int) -> None:
        """A tick begins."""
        if not self._everybody:  # else there is nothing to clear, which is the rule and costs nothing
            self._away_since[:] = now
            self._away_us[:] = 0
            self._everybody = bool(self.active.all())

    def close_tick(self, tick: int, now: int, requests: int) -> None:
        """A tick (of the day) ends, in which so many requests came."""
        if self._everybody:
            self.could_bid[:] = requests > 0
            return
        self._away_us += np.where(self.active, 0, now - self._away_since)
        np.logical_and(self._away_us == 0, requests > 0, out=self.could_bid)
        self.reach -= self._shares[tick] * (self._away_us / self._tick_us)

    def launch(self, k: int, now: int) -> None:
        """A campaign starts, until its flights say otherwise on another day; a pause is over."""
        self._paused[k] = False
        if not self.active[k]:
            self.active[k] = True
            self._away_us[k] += now - self._away_since[k]

    def pause(self, k: int, now: int) -> None:
        """A campaign stops until it is launched."""
        self._paused[k] = True
        if self.active[k]:
            self.active[k] = self._everybody = False
            self._away_since[k] = now
