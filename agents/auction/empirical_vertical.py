"""The empirical maximum, with a reserve of its own for each vertical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.core.arrays import Floats
from ..parameters import LogUniform, Range, Uniform, check_whole
from .climbing import Climbing, climbed
from .empirical import best_pair
from .trials import Trials


@dataclass
class EmpiricalVertical(Climbing):
    """The best pair of reserve and squashing, and from there on a reserve for each vertical, by rounds of small moves.

    A second search begins where that of the last tick ended. The better end of the two counts.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(1.0, 3.0), "squashing_step": Uniform(0.2, 0.5)}

    rounds: int = 4  # of each search, from 1 up

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "rounds", 1)

    def search(self, trials: Trials, before: Floats | None) -> Floats:
        starts = [best_pair(trials, self.price), *([] if before is None else [before])]
        ends = [climbed(trials, start, self.longest, self.rounds) for start in starts]
        return max(ends, key=lambda end: end[1])[0]
