"""Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.ranking.decisions import Weights
from ...simulator.seats.ranking.view import RankingView
from .weighted import Weighted


@dataclass
class Thompson(Weighted):
    """By eCPM, that of a new ad at a draw of what its click rate may be, anew at each tick (Thompson 1933)."""

    def decide(self, view: RankingView) -> Weights:
        return Weights(self.squashing, self.cost, thompson=True)
