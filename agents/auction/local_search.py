"""The empirical maximum by vertical, followed through the day by a few moves at each tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.auction.view import AuctionView
from ..parameters import LogUniform, Range, check_number
from .climbing import Climbing
from .trials import Trials

FIRST_RESERVE, FIRST_SQUASHING = -1.0, 0.5  # where the day's search begins: log of a reserve over the mean bid
FIRST_ROUNDS = 3


@dataclass
class LocalSearch(Climbing):
    """Moves squashing, the reserve of the vertical that sells most, and that of one of the others in turn, once a tick.

    Steps that lead nowhere are halved until they are below `least` of the first, and then long again. For a thirtieth of the
    auctions that `EmpiricalVertical` holds it earns most of what that does over a constant.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(1.0, 4.0), "least": LogUniform(0.1, 0.8)}

    step: float = 2.5
    least: float = 0.4  # shortest step over the first, above 0, at most 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "least", above=0, most=1)

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        super().start(view, dice)
        self._step, self._turn = self.longest.copy(), 0

    def search(self, trials: Trials, before: Floats | None) -> Floats:
        if before is None:
            start = np.append(trials.level + FIRST_RESERVE, FIRST_SQUASHING)
            return self.climbed(trials, start, FIRST_ROUNDS)[0]
        point = trials.within(before)
        score = trials.score(point)
        point, _ = trials.climb(point, score, self._step, self._next(self.verticals.total(trials.impressions)))
        self._step = np.where(np.abs(self._step) < self.least * self.longest, self.longest, self._step)
        return point

    def _next(self, sold: Floats) -> list[int]:
        """The coordinates that move now, where verticals sell so much, (V,)."""
        best, others = int(np.argmax(sold)), sold.size - 1
        if not others:
            return [1, 0]
        self._turn += 1
        return [sold.size, best, (best + 1 + self._turn % others) % sold.size]
