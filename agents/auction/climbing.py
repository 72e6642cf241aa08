"""Searches by small moves that go on where they ended at the last tick: what policies that set a reserve by vertical share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from ...simulator.seats.auction.decisions import Sale
from ...simulator.seats.auction.view import AuctionView
from ..parameters import check_number
from .trials import Trials, Trying


@dataclass
class Climbing(Trying):
    """Base of policies that move squashing and one reserve after another where that scores more.

    First steps are long: to sell all there is at low reserves and to sell little at high ones are two peaks, far apart.
    """

    step: float = 2.0  # first, of the log of a reserve, above 0
    squashing_step: float = 0.3  # first, above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("step", "squashing_step"):
            check_number(self, field, above=0)

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        super().start(view, dice)
        self.longest = np.append(np.full(self.verticals.count, self.step), self.squashing_step)  # first steps
        self._last: tuple[Floats, Floats] | None = None

    def decide(self, view: AuctionView) -> Sale:
        trials = self.trials(view, view.told.tick)
        before = None
        if self._last is not None:
            before, level = self._last[0].copy(), self._last[1]
            before[:-1] += trials.level - level
        point = self.search(trials, before)
        self._last = point, trials.level
        return trials.sale(point)

    def search(self, trials: Trials, before: Floats | None) -> Floats:
        """The point that is decided; `before`: the last one, its reserves moved with bids."""
        raise PolicyError(f"{type(self).__name__} does not say how it searches")


def climbed(trials: Trials, start: Floats, first: Floats, rounds: int) -> tuple[Floats, float]:
    """The point to which so many rounds lead, and its score; `first`: steps of the first round, (V + 1,).

    In a round each coordinate goes one step, or else one the other way, where that scores more, and its next step is half as
    long where neither does: the exploratory moves of pattern search (Hooke & Jeeves, J. ACM 1961).
    """
    point, step = trials.within(start), first.copy()
    score = trials.score(point)
    for _ in range(rounds):
        for k in range(step.size):
            point, score, gained = trials.move(point, score, k, step[k])
            if not gained:
                point, score, gained = trials.move(point, score, k, -step[k])
                step[k] *= -1.0 if gained else 0.5
    return point, score
