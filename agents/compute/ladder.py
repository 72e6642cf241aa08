"""A ladder: requests that have waited get less, in two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number


@dataclass
class Ladder(ComputePolicy):
    """`depth` for all, `lower` after a wait of `patience` times the deadline, cached ads after so many times it.

    It reacts once users have waited. Waits are shares of the deadline (of a minute where there is none).
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "depth": Uniform(0.4, 1.0),
        "lower": Uniform(0.1, 0.8),
        "patience": Uniform(0.01, 0.4),
        "longer": Uniform(0.05, 0.5),
    }

    depth: float = 0.625  # from 0 to 1, as is
    lower: float = 0.365
    patience: float = 0.25  # share of the deadline, from 0 up, as is
    longer: float = 0.45

    def __post_init__(self) -> None:
        for field in ("depth", "lower"):
            check_number(self, field, least=0, most=1)
        for field in ("patience", "longer"):
            check_number(self, field, least=0)

    def decide(self, view: ComputeView) -> Depth | None:
        if view.number > 0:
            return None
        deadline = min(view.deadline_s, 60.0)
        first = self.patience * deadline
        steps = ((self.lower, first), (0.0, first + self.longer * deadline))
        return Depth(self.depth, steps[: view.most.shape[1] - 1])
