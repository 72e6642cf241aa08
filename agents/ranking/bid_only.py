"""By bid."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView


@dataclass
class BidOnly(RankingPolicy):
    """By what is bid for a click, however likely that is: as Overture ranked until 2007."""

    def decide(self, view: RankingView) -> Weights:
        return Weights(squashing=0.0)
