"""Static quotas: the same depth all day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number


@dataclass
class Static(ComputePolicy):
    """The tier that is served first gets `first`, the last one `last`, those between a depth between."""

    SPACE: ClassVar[Mapping[str, Range]] = {"first": Uniform(0.2, 1.0), "last": Uniform(0.2, 1.0)}

    first: float = 0.6  # from 0 to 1, as is
    last: float = 0.6

    def __post_init__(self) -> None:
        for field in ("first", "last"):
            check_number(self, field, least=0, most=1)

    def decide(self, view: ComputeView) -> Depth | None:
        if view.number > 0:
            return None
        return Depth(np.linspace(self.first, self.last, len(view.tiers)))
