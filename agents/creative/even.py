"""Even rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.creative.decisions import CreativePolicy, Shares
from ...simulator.seats.creative.view import CreativeView


@dataclass
class EvenRotation(CreativePolicy):
    """Each ad shows the creatives it has in even shares."""

    def decide(self, view: CreativeView) -> Shares | None:
        if view.day > 0 or view.tick > 0:
            return None
        real = view.format >= 0
        return Shares(real / np.maximum(real.sum(axis=1, keepdims=True), 1))
