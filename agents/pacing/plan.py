"""The joint plan of the morning, kept all day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.core.arrays import LANES
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import requests_to_come
from ..parameters import check_whole
from .equilibrium import equilibrium
from .factors import lowered


@dataclass
class MorningPlan(PacingPolicy):
    """The pacing equilibrium of the day that is forecast, at the bids of the morning: once a day, and nothing is made up for.

    Campaigns that are not there in the morning are lowered to their priors.
    """

    size: int = 1024  # requests of the sample, at most; as many as run together (64), or more
    rounds: int = 40  # of tatonnement; from 1 up

    def __post_init__(self) -> None:
        check_whole(self, "size", least=LANES)
        check_whole(self, "rounds", least=1)

    def decide(self, view: PacingView) -> Pace | None:
        told = view.told
        if told.tick > 0:
            return None
        usual: np.ndarray = lowered(view, told.prior).factor
        wanted = told.budget_left / max(requests_to_come(told), 1.0)
        return Pace(equilibrium(view, view.rehearsal.from_tick(0, self.size), wanted, usual, self.rounds))
