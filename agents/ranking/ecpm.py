"""By eCPM."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView


@dataclass
class ECPM(RankingPolicy):
    """By bid for a click x believed click rate: what an impression is expected to be worth to its campaign."""

    def decide(self, view: RankingView) -> Weights:
        return Weights(squashing=1.0)
