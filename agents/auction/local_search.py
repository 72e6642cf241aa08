"""The empirical maximum by vertical, followed through the day by a few moves at each tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.auction.view import AuctionView
from ..parameters import LogUniform, Range, Uniform, check_number
from .climbing import Climbing, climbed
from .trials import Trials

FIRST_RESERVE, FIRST_SQUASHING = -1.0, 0.5  # where the day's search begins: log of a reserve over the mean bid
FIRST_ROUNDS = 3


@dataclass
class LocalSearch(Climbing):
    """One step a tick of squashing, of the reserve of the vertical that sells most, and of that of one of the others in turn.

    A step that does not score more is not taken, and the next one goes the other way and is shorter by `shorter`, until it is
    below `least` of the first, and long again. For a fortieth of the auctions that `EmpiricalVertical` holds it earns most of
    what that does over a constant.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "step": LogUniform(1.0, 4.0),
        "squashing_step": LogUniform(0.1, 0.5),
        "shorter": Uniform(0.4, 0.95),
        "least": LogUniform(0.1, 0.8),
    }

    step: float = 2.5
    shorter: float = 0.85  # factor on a step, between 0 and 1
    least: float = 0.4  # shortest step over the first, above 0, at most 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("shorter", "least"):
            check_number(self, field, above=0, most=1)

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        super().start(view, dice)
        self._step, self._turn = self.longest.copy(), 0

    def search(self, trials: Trials, before: Floats | None) -> Floats:
        if before is None:
            start = np.append(trials.level + FIRST_RESERVE, FIRST_SQUASHING)
            return climbed(trials, start, self.longest, FIRST_ROUNDS)[0]
        point, step = trials.within(before), self._step
        score = trials.score(point)
        for k in self._next(self.verticals.total(trials.impressions)):
            point, score, gained = trials.move(point, score, k, step[k])
            if not gained:
                shorter = -self.shorter * step[k]
                step[k] = shorter if abs(shorter) >= self.least * self.longest[k] else np.copysign(self.longest[k], shorter)
        return point

    def _next(self, sold: Floats) -> list[int]:
        """The coordinates that move now, where verticals sell so much, (V,)."""
        best, others = int(np.argmax(sold)), sold.size - 1
        if not others:
            return [1, 0]
        self._turn += 1
        return [sold.size, best, (best + 1 + self._turn % others) % sold.size]
