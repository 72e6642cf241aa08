"""No pacing."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView


@dataclass
class Unpaced(PacingPolicy):
    """Campaigns bid what they bid, in all auctions, until their budgets are gone."""

    def decide(self, view: PacingView) -> Pace:
        return Pace()
