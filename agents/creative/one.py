"""One creative for good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.creative.decisions import CreativePolicy, Shares
from ...simulator.seats.creative.view import CreativeView
from ..parameters import check_whole


@dataclass
class One(CreativePolicy):
    """Each ad shows the creative in one place, its last one if it has fewer; until that has come, the others evenly."""

    place: int = 0  # from 0 on

    def __post_init__(self) -> None:
        check_whole(self, "place", least=0)

    def decide(self, view: CreativeView) -> Shares | None:
        if view.day > 0 or view.tick > 0:
            return None
        place = np.minimum(self.place, (view.format >= 0).sum(axis=1) - 1)
        return Shares((np.arange(view.facts.creatives) == place[:, None]).astype(np.float64))
