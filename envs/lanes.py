"""Users, or ads, side by side, each an episode of its own: as one ends, another takes its lane, of that world or the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import Floats, Integers
from ..simulator.engine.ad_lives import AdLives
from ..simulator.engine.lives import NOBODY, WAITS, Lives

Kind = TypeVar("Kind", Lives, AdLives)


class Turn(NamedTuple):
    """What has come of a step, (L,) each."""

    brought: Floats  # (L, 3) see `lives.Lanes`, `ad_lives.AdLanes`
    over: NDArray[np.bool_]  # that was the last of whose it was; another has taken the lane
    whose: Integers  # the user's or the ad's
    day: Integers  # the seed of the world


class Lanes(Generic[Kind]):
    """So many lives at once, of worlds whose seeds are drawn as they are needed: `make(seed, lanes, first, end)` has a world's.

    `shown` (L, W) is what is to be decided on in each lane.
    """

    def __init__(self, make: Callable[[int, int, int, int | None], Kind], lanes: int) -> None:
        self._make: Callable[[int, int, int, int | None], Kind] = make
        self.count = lanes
        self._worlds: list[Kind] = []  # the last one still has such as have not begun
        self._owner = np.full(lanes, -1)  # the place of a lane's world in the list

    def begin(self, days: Iterator[int], first: int = 0, end: int | None = None) -> None:
        """Empties all lanes, and fills them: from the first world those from `first` up to `end`, then of others."""
        self._days, self._worlds = days, [self._make(next(days), self.count, first, end)]
        self._owner[:] = -1
        self._fill()
        width = self._worlds[0].lanes.shown.shape[1]
        self.shown = np.zeros((self.count, width))
        self._look()

    def _fill(self) -> None:
        """Has somebody take each empty lane."""
        while (free := self._owner == -1).any():
            newest = self._worlds[-1]
            newest.seat(free)
            taken = free & (newest.whose != NOBODY)
            self._owner[taken] = len(self._worlds) - 1
            if newest.lanes.due[0] >= newest.lanes.due[1] and (self._owner == -1).any():
                self._worlds.append(self._make(next(self._days), self.count, 0, None))
        left = np.unique(self._owner)  # worlds of which somebody is under way
        if left.size < len(self._worlds) and left[-1] == len(self._worlds) - 1:
            self._worlds = [self._worlds[place] for place in left]
            self._owner = np.searchsorted(left, self._owner)

    def _look(self) -> None:
        for place, lives in enumerate(self._worlds):
            mine = self._owner == place
            self.shown[mine] = lives.lanes.shown[mine]

    def step(self, choices: Integers, chosen: NDArray[np.bool_] | None = None) -> Turn:
        """Decides in each lane, (L,) numbers of what is chosen, and moves on; in the `chosen` lanes alone, if some are."""
        choices = choices if chosen is None else np.where(chosen, choices, WAITS)
        brought, over = np.zeros((self.count, 3)), np.zeros(self.count, np.bool_)
        whose, day = np.zeros((2, self.count), np.int64)
        for place, lives in enumerate(self._worlds):
            mine = self._owner == place
            whose[mine], day[mine] = lives.whose[mine], lives.seed
            lives.step(choices)
            brought[mine], over[mine] = lives.lanes.brought[mine], lives.lanes.over[mine] > 0
            self._owner[mine & (lives.whose == NOBODY)] = -1
        self._fill()
        self._look()
        return Turn(brought, over, whose, day)

    @property
    def whose(self) -> Integers:
        """The users or ads that are to be decided on, (L,)."""
        found: Integers = np.stack([lives.whose for lives in self._worlds])[self._owner, np.arange(self.count)]
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
                kept.update(_packed(f"{place}.{name}", array))
        return kept

    def restore(self, kept: Mapping[str, NDArray[Any]], days: Iterator[int]) -> None:
        """Brings all lanes to where they were; `days` are the seeds that would then have come."""
        self._days, self._owner = days, kept["owner"].copy()
        self._worlds = [self._make(int(seed), self.count, 0, None) for seed in kept["seeds"]]
        for place, lives in enumerate(self._worlds):
            for name, array in _arrays(lives):
                _unpack(kept, f"{place}.{name}", array)
            lives.restored()
        self.shown = np.zeros((self.count, self._worlds[0].lanes.shown.shape[1]))
        self._look()


THIN = 10_000  # elements from which on an array is kept by those that are not as most are


def _packed(name: str, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """An array as it is kept: tables of what users remember are large and mostly empty."""
    if array.size < THIN:
        return {name: array.copy()}
    flat = array.ravel()
    usual = np.partition(flat, flat.size // 2)[flat.size // 2]  # what more than half are, if so many are alike
    other = np.flatnonzero(flat != usual)
    if 2 * other.size > flat.size:
        return {name: array.copy()}
    return {f"{name}.usual": np.array(usual), f"{name}.other": other, f"{name}.values": flat[other]}


def _unpack(kept: Mapping[str, NDArray[Any]], name: str, array: NDArray[Any]) -> None:
    if name in kept:
        array[...] = kept[name]
    else:
        array[...] = kept[f"{name}.usual"]
        array.reshape(-1)[kept[f"{name}.other"]] = kept[f"{name}.values"]


def _arrays(lives: Lives | AdLives) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, array in lives.lanes._asdict().items():
        yield f"lanes.{name}", array
    for part, name in lives.kept:
        yield f"{part}.{name}", getattr(getattr(lives.state, part), name)
