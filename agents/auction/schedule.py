"""A schedule: a pair of reserve and squashing for each tick, laid down as the day opens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.auction.decisions import Sale
from ...simulator.seats.auction.view import AuctionView
from .empirical import best_pair
from .trials import Trying


@dataclass
class Schedule(Trying):
    """The empirical maximum of each tick of the day, found at its start at the bids of then."""

    def start(self, view: AuctionView, dice: np.random.Generator) -> None:
        super().start(view, dice)
        self._day = -1

    def decide(self, view: AuctionView) -> Sale:
        told = view.told
        if told.day != self._day:
            trials = [self.trials(view, tick) for tick in range(told.ticks)]
            self._day, self._plan = told.day, [each.sale(best_pair(each, self.price)) for each in trials]
        return self._plan[told.tick]
