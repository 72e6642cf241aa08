"""By popularity."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from .scores import instead_of_bids


@dataclass
class Popularity(RankingPolicy):
    """By how often an average user is believed to click, whatever an ad bids and whoever asks."""

    def decide(self, view: RankingView) -> Weights:
        odds = view.typical / (1 - view.typical) * view.correction
        return Weights(squashing=0.0, bonus=instead_of_bids(view, odds / (1 + odds)))
