"""By believed click rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from .scores import instead_of_bids


@dataclass
class PCTROnly(RankingPolicy):
    """By how likely this user is believed to click, whatever a click is worth."""

    def decide(self, view: RankingView) -> Weights:
        return Weights(squashing=1.0, bonus=instead_of_bids(view, np.ones(view.campaign.size)))
