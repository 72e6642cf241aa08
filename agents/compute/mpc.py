"""Model-predictive control: the forecast scaled by today's traffic, worth that follows what was earned, one price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.lately import Ahead, Following
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number
from .plan import depths_within


@dataclass
class RecedingHorizon(ComputePolicy):
    """The depths at which the requests expected, and those that wait, fill a share of the servers' time at one price.

    Requests are the forecast's times what traffic has lately been over it, which reverts to 1.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "target": Uniform(0.7, 1.3),
        "memory": Uniform(0.2, 1.0),
        "revert": Uniform(0.5, 1.05),
        "follow": Uniform(0.05, 0.8),
    }

    target: float = 0.98  # share of the servers' time, above 0
    memory: float = 0.84  # weight of the last interval in what traffic has lately been, from 0 to 1
    revert: float = 0.72  # power of that, from 0 up
    follow: float = 0.5  # weight of an interval in what requests are taken to be worth, from 0 to 1
    prior: float = 10.0  # requests of an interval that count for half of that, from 0 up

    def __post_init__(self) -> None:
        check_number(self, "target", above=0)
        for field in ("memory", "follow"):
            check_number(self, field, least=0, most=1)
        for field in ("revert", "prior"):
            check_number(self, field, least=0)

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self._ahead = Ahead(self.memory)
        self._following = Following(len(view.tiers), self.follow, self.prior)

    def decide(self, view: ComputeView) -> Depth:
        self._ahead.see(view)
        self._following.see(view)
        expected = view.coming * math.exp(self.revert * self._ahead.log)
        return Depth(self.depths(view, expected, view.waiting.astype(np.float64), self._following.worth(view)))

    def depths(self, view: ComputeView, expected: Floats, waiting: Floats, worth: Floats) -> Floats:
        """The plan for requests that are expected and that wait, (held,) each, of such worth (held, D)."""
        return depths_within(expected + waiting, self.target * view.capacity_s, worth, view.earnings)
