"""Queue-aware, without a forecast: as many requests as in the last interval, and those that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number
from .plan import depths_within


@dataclass
class QueueAware(ComputePolicy):
    """The depths at which the requests of the last interval and the queue fill a share of the servers' time."""

    SPACE: ClassVar[Mapping[str, Range]] = {"target": Uniform(0.6, 1.4)}

    target: float = 1.0  # share of the servers' time to be filled, above 0

    def __post_init__(self) -> None:
        check_number(self, "target", above=0)

    def decide(self, view: ComputeView) -> Depth:
        lately = view.arrived.astype(float) if view.number else view.coming
        return Depth(depths_within(lately + view.waiting, self.target * view.capacity_s, view.worth, view.earnings))
