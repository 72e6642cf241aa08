"""Uniform throttling: every campaign takes part in the same share of auctions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..parameters import Range, Uniform, check_number
from .factors import with_budgets


@dataclass
class UniformThrottling(PacingPolicy):
    """Bids stay as they are; who has a budget takes part in a share of auctions, each with its own luck."""

    SPACE: ClassVar[Mapping[str, Range]] = {"participation": Uniform(0.1, 1.0)}

    participation: float = 0.9  # share of requests, from 0 to 1

    def __post_init__(self) -> None:
        check_number(self, "participation", least=0, most=1)

    def decide(self, view: PacingView) -> Pace:
        return Pace(1.0, with_budgets(view, self.participation))
