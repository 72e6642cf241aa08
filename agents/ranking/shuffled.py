"""At random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from .scores import by_place, instead_of_bids


@dataclass
class Shuffled(RankingPolicy):
    """A new random order of all ads at each tick, whatever they bid and whoever asks."""

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: RankingView) -> Weights:
        order = self._dice.permutation(view.campaign.size)
        return Weights(squashing=0.0, bonus=instead_of_bids(view, by_place(order)))
