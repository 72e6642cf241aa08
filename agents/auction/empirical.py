"""The empirical maximum: the pair of reserve and squashing that would have earned most on a sample of the hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.engine.exchange import LEAST_RESERVE
from ...simulator.seats.auction.decisions import Sale
from ...simulator.seats.auction.view import AuctionView
from ..parameters import Choice, Range
from .trials import Trials, Trying

RESERVES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.3)  # tried, in mean prices of an even day
SQUASHINGS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass
class Empirical(Trying):
    """At each tick the best of a grid of pairs, one reserve for all, at the bids of now.

    Maximising revenue over a sample is the way to a reserve that needs no law of bids (Cole & Roughgarden, STOC 2014; for a
    reserve together with squashing, Roberts et al., EC 2013). Here bids are known and what is sampled are requests.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"size": Choice((256, 512, 1024, 2048))}

    def decide(self, view: AuctionView) -> Sale:
        trials = self.trials(view, view.told.tick)
        return trials.sale(best_pair(trials, self.price))


def best_pair(trials: Trials, price: float) -> Floats:
    """The point that is the best pair of a grid whose reserves are multiples of a price; the earliest of equals."""
    logs = [np.log(max(reserve * price, LEAST_RESERVE)) for reserve in RESERVES]
    tried = [np.append(np.full(trials.level.size, log), squashing) for log, squashing in product(logs, SQUASHINGS)]
    return max(tried, key=trials.score)
