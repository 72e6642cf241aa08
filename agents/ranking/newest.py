"""Newest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from .scores import by_place, instead_of_bids


@dataclass
class Newest(RankingPolicy):
    """Ads without a history first, those of them that have been shown least before the others."""

    def decide(self, view: RankingView) -> Weights:
        order = np.lexsort((view.seen.shown, ~view.new))
        return Weights(squashing=0.0, bonus=instead_of_bids(view, by_place(order)))
