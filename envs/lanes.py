"""Users side by side, each an episode of its own: as they leave, others take their lanes, of the same world or of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats, Integers
from ..simulator.engine.lives import NOBODY, WAITS, Lives
from ..simulator.scenario.tree import Scenario

# What of a world's state the lives of its users go by; the rest is the same in any.
KEPT = (
    ("visits", "gone"), ("visits", "boredom"), ("visits", "satisfaction"), ("visits", "at_midnight"), ("pages", "users"),
    ("asking", "known"),
)  # fmt: skip


class Turn(NamedTuple):
    """What has come of a step, (L,) each."""

    revenue: Floats  # expected charges, currency
    content: Floats  # worth of organic items seen
    charged: Floats  # currency
    over: NDArray[np.bool_]  # that page was its user's last; another user has taken the lane
    user: Integers  # whose page that was
    day: Integers  # the seed of his world


class Lanes:
    """So many users at once, of worlds of a scenario whose seeds are drawn as they are needed.

    `shown` (L, W) is what is to be decided on in each lane.
    """

    def __init__(self, scenario: Scenario, lanes: int) -> None:
        self.scenario, self.count = scenario, lanes
        self._worlds: list[Lives] = []  # the last one still has users who have not begun
        self._owner = np.full(lanes, -1)  # the place of a lane's world in the list

    def begin(self, days: Iterator[int], first: int = 0, end: int | None = None) -> None:
        """Empties all lanes, and has users take them: of the first world from user `first` up to `end`, then of others."""
        self._days, self._worlds = days, [Lives(self.scenario, next(days), self.count, first, end)]
        self._owner[:] = -1
        self._fill()
        width = self._worlds[0].lanes.shown.shape[1]
        self.shown = np.zeros((self.count, width))
        self._look()

    def _fill(self) -> None:
        """Has users take the empty lanes."""
        while (free := self._owner == -1).any():
            newest = self._worlds[-1]
            newest.seat(free)
            taken = free & (newest.lanes.user != NOBODY)
            self._owner[taken] = len(self._worlds) - 1
            if newest.lanes.due[0] >= newest.lanes.due[1] and (self._owner == -1).any():
                self._worlds.append(Lives(self.scenario, next(self._days), self.count))
        left = np.unique(self._owner)  # worlds of whose users one is under way
        if left.size < len(self._worlds) and left[-1] == len(self._worlds) - 1:
            self._worlds = [self._worlds[place] for place in left]
            self._owner = np.searchsorted(left, self._owner)

    def _look(self) -> None:
        for place, lives in enumerate(self._worlds):
            mine = self._owner == place
            self.shown[mine] = lives.lanes.shown[mine]

    def step(self, patterns: Integers, chosen: NDArray[np.bool_] | None = None) -> Turn:
        """Allocates the page of each lane, (L,) numbers of patterns, and moves on; of the `chosen` lanes alone, if some are."""
        patterns = patterns if chosen is None else np.where(chosen, patterns, WAITS)
        brought, over = np.zeros((self.count, 3)), np.zeros(self.count, np.bool_)
        user, day = np.zeros((2, self.count), np.int64)
        for place, lives in enumerate(self._worlds):
            mine = self._owner == place
            user[mine], day[mine] = lives.lanes.user[mine], lives.seed
            lives.step(patterns)
            brought[mine], over[mine] = lives.lanes.brought[mine], lives.lanes.over[mine] > 0
            self._owner[mine & (lives.lanes.user == NOBODY)] = -1
        self._fill()
        self._look()
        return Turn(brought[:, 0], brought[:, 1], brought[:, 2], over, user, day)

    @property
    def users(self) -> Integers:
        """Whose pages are to be decided on, (L,)."""
        found: Integers = np.stack([lives.lanes.user for lives in self._worlds])[self._owner, np.arange(self.count)]
        return found

    @property
    def seeds(self) -> Integers:
        """The seeds of their worlds, (L,)."""
        found: Integers = np.array([lives.seed for lives in self._worlds])[self._owner]
        return found

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Where all lanes are, for `restore`: arrays by name, and the seeds of their worlds."""
        kept: dict[str, NDArray[Any]] = {"owner": self._owner.copy(), "seeds": np.array([lives.seed for lives in self._worlds])}
        for place, lives in enumerate(self._worlds):
            for name, array in _arrays(lives):
                kept[f"{place}.{name}"] = array.copy()
        return kept

    def restore(self, kept: Mapping[str, NDArray[Any]], days: Iterator[int]) -> None:
        """Brings all lanes to where they were; `days` are the seeds that would then have come."""
        self._days, self._owner = days, kept["owner"].copy()
        self._worlds = [Lives(self.scenario, int(seed), self.count) for seed in kept["seeds"]]
        for place, lives in enumerate(self._worlds):
            for name, array in _arrays(lives):
                array[...] = kept[f"{place}.{name}"]
            lives.lanes.tick[0] = -1  # its terms are to be looked up
        self.shown = np.zeros((self.count, self._worlds[0].lanes.shown.shape[1]))
        self._look()


def _arrays(lives: Lives) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, array in lives.lanes._asdict().items():
        yield f"lanes.{name}", array
    for part, name in KEPT:
        yield f"{part}.{name}", getattr(getattr(lives.state, part), name)
