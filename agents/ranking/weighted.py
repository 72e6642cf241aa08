"""Rankers that rank by eCPM or near it: what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.engine.exchange import LARGEST_SQUASHING
from ...simulator.seats.ranking.decisions import RankingPolicy
from ..parameters import Range, Uniform, check_number

SQUASHING, COST = Uniform(0.7, 2.5), Uniform(0.0, 1.6)


@dataclass
class Weighted(RankingPolicy):
    """Base of rankers with a squashing and a cost that last."""

    SPACE: ClassVar[Mapping[str, Range]] = {"squashing": SQUASHING, "cost": COST}

    squashing: float = 1.0  # from 0 up, at most 100
    cost: float = 0.0  # of an impression to its user, currency, from 0 up

    def __post_init__(self) -> None:
        check_number(self, "squashing", least=0, most=LARGEST_SQUASHING)
        check_number(self, "cost", least=0)
