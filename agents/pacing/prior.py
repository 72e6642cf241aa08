"""The multipliers of an earlier day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..parameters import LogUniform, Range, check_number
from .factors import lowered


@dataclass
class Prior(PacingPolicy):
    """Lowers bids to `scale` x prior x target, the prior being the campaign's multiplier of an earlier day.

    In a drawn market that is where a day without weather would spend each budget. With the default it repeats that day.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"scale": LogUniform(0.4, 2.0)}

    scale: float = 1.0  # above 0

    def __post_init__(self) -> None:
        check_number(self, "scale", above=0)

    def decide(self, view: PacingView) -> Pace:
        return lowered(view, self.scale * view.told.prior)
