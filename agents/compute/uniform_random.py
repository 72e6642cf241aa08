"""Depths at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.view import ComputeView


@dataclass
class UniformRandom(ComputePolicy):
    """A depth from 0 to 1 for each tier, anew each time."""

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self._dice = dice

    def decide(self, view: ComputeView) -> Depth:
        return Depth(self._dice.random(len(view.tiers)))
