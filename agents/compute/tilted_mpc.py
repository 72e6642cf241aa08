"""The same plan, with credit for tiers that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number
from .mpc import RecedingHorizon


@dataclass
class TiltedMPC(RecedingHorizon):
    """`RecedingHorizon` with constants for what its plan leaves out: who is served first does not wait, and others do.

    The worth of the first tier counts exp(first) times, that of the last exp(last) times, the middle one as it is, others
    between; of those who wait a share `queue` counts.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        **RecedingHorizon.SPACE,
        "first": Uniform(-1.0, 0.5),
        "last": Uniform(-0.5, 1.2),
        "queue": Uniform(0.0, 1.5),
    }

    target: float = 1.07
    memory: float = 0.85
    revert: float = 0.68
    follow: float = 0.43
    first: float = -0.4  # log of the credit, any number, as is
    last: float = 0.83
    queue: float = 0.19  # from 0 up

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("first", "last"):
            check_number(self, field)
        check_number(self, "queue", least=0)

    def depths(self, view: ComputeView, expected: Floats, waiting: Floats, worth: Floats) -> Floats:
        place = np.linspace(0.0, 1.0, len(view.tiers)) if len(view.tiers) > 1 else np.full(1, 0.5)
        credit = np.interp(place, [0.0, 0.5, 1.0], [self.first, 0.0, self.last])
        return super().depths(view, expected, self.queue * waiting, worth * np.exp(credit)[:, None])
