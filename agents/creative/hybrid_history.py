"""The hybrid, with what segments made of formats on an earlier day (the shape of VAM-HBM, Wang et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.core.arrays import Floats
from ...simulator.seats.creative.vectors import tastes
from ...simulator.seats.creative.view import Facts
from ..parameters import LogUniform, Range, check_number
from .hybrid import Hybrid


@dataclass
class HybridHistory(Hybrid):
    """A creative's factor in a segment is expected to be what its format's was there in the market's log of an earlier day.

    Tastes are the same for all ads of a market, so that a creative nobody has seen begins with them.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {**Hybrid.SPACE, "trust": LogUniform(2.0, 80.0)}

    trust: float = 20.0  # clicks by which what is logged of a format and a segment is shrunk to nothing, above 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "trust", above=0)

    def tastes(self, facts: Facts) -> Floats:
        """See `vectors.tastes`."""
        return tastes(facts, self.trust)
