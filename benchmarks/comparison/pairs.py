"""Policies held against one another, pair by pair: who is ahead of whom beyond chance, and who is tied."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from ...simulator.core.arrays import Floats
from . import statistics
from .statistics import LEVEL, Interval, Strata


class Pair(NamedTuple):
    """Two policies, and by how much the one with the larger mean is ahead; intervals of all pairs hold together."""

    ahead: str
    behind: str
    by: float  # mean over cases of the paired difference of the first metric
    interval: Interval | None  # None where cases are too few for one

    @property
    def tied(self) -> bool:
        """Whether chance may have made the difference."""
        return self.interval is not None and self.interval.low <= 0.0


def pairs(numbers: Mapping[str, Floats], groups: Strata) -> list[Pair]:
    """All pairs, the policy with the largest mean first; `numbers` has one number per case for each, (cases,).

    The level of each interval is such that all of them hold their differences together 95% of the time (Bonferroni).
    """
    names = sorted(numbers, key=lambda name: -float(numbers[name].mean()))
    found = list(combinations(names, 2))
    level = 1.0 - (1.0 - LEVEL) / max(len(found), 1)
    return [Pair(ahead, behind, *statistics.mean(numbers[ahead] - numbers[behind], groups, level)) for ahead, behind in found]


def verdicts(found: list[Pair]) -> dict[str, tuple[list[str], list[str]]]:
    """For each policy those that it is ahead of beyond chance, and those with which it is tied."""
    names = dict.fromkeys(name for pair in found for name in (pair.ahead, pair.behind))
    return {
        name: (
            [pair.behind for pair in found if pair.ahead == name and not pair.tied],
            [pair.behind if pair.ahead == name else pair.ahead for pair in found if pair.tied and name in pair[:2]],
        )
        for name in names
    }


def contenders(found: list[Pair]) -> list[str] | None:
    """Who may have the largest mean: whoever has it here, then those with which it is tied; None where cases are too few.

    The differences hold together, so that the truly best is left out once in twenty at most.
    """
    if any(pair.interval is None for pair in found):
        return None
    leader = found[0].ahead
    return [leader, *(pair.behind for pair in found if pair.ahead == leader and pair.tied)]
