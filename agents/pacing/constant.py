"""One factor for all campaigns, all day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.vectors import LEAST
from ...simulator.seats.pacing.view import PacingView
from ..parameters import Range, Uniform, check_number
from .factors import with_budgets


@dataclass
class Constant(PacingPolicy):
    """The same factor for every campaign that has a budget, whatever happens."""

    SPACE: ClassVar[Mapping[str, Range]] = {"factor": Uniform(0.2, 1.0)}

    factor: float = 0.8  # from .02 to 1

    def __post_init__(self) -> None:
        check_number(self, "factor", least=LEAST, most=1)

    def decide(self, view: PacingView) -> Pace:
        return Pace(with_budgets(view, self.factor))
