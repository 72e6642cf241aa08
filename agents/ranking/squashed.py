"""By eCPM with squashing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.engine.exchange import LARGEST_SQUASHING
from ...simulator.seats.ranking.decisions import RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView
from ..parameters import Range, check_number
from .weighted import SQUASHING


@dataclass
class Squashed(RankingPolicy):
    """By bid for a click x (believed click rate) ^ squashing (Lahaie & Pennock 2007).

    Below 1 rates count less than in eCPM, as where they are in doubt; above 1 more, as where users come back for ads they like.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"squashing": SQUASHING}

    squashing: float = 1.4  # from 0 up, at most 100

    def __post_init__(self) -> None:
        check_number(self, "squashing", least=0, most=LARGEST_SQUASHING)

    def decide(self, view: RankingView) -> Weights:
        return Weights(squashing=self.squashing)
