"""What rules that cast creatives share: a score of each that has come, times what the user's fatigue leaves of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.rules import RowRule, row_rule
from ...simulator.seats.creative.decisions import CreativePolicy, CreativeRule
from ...simulator.seats.creative.view import WIDTH, Column, CreativeView, Facts, Row
from ..parameters import check_switch

piece = numba.njit(error_model="numpy")  # decorates what rules call; unlike pieces of kernels it may make arrays
FATIGUE, RATE, FIRST = range(3)  # places in a rule's memory: exponent, 0 where it is not heeded; usual click rate; its own


@dataclass
class Casts(CreativePolicy, ABC):
    """Base of policies that decide once, by a compiled rule; `fatigue` says whether it heeds that users tire of a creative."""

    fatigue: bool = True

    def __post_init__(self) -> None:
        check_switch(self, "fatigue")

    @abstractmethod
    def rule(self) -> RowRule:
        """The rule, compiled once in a process."""

    def settings(self, facts: Facts) -> list[float]:
        """Its own part of the rule's memory."""
        return []

    def own(self, facts: Facts) -> Floats | None:
        """What the rule keeps of each ad of the market, (A, w)."""
        return None

    def decide(self, view: CreativeView) -> CreativeRule | None:
        if view.day > 0 or view.tick > 0:
            return None
        facts = view.facts
        shared = [facts.fatigue if self.fatigue else 0.0, facts.click_rate, *self.settings(facts)]
        return CreativeRule(self.rule(), np.array(shared, np.float64), self.own(facts))


@piece
def row_of(view: Any, c: Any) -> Any:
    """What is shown of the creative in place c of the ad."""
    start = Column.ROWS + c * WIDTH
    return view[start : start + WIDTH]


@piece
def freshness(row: Any, memory: Any) -> Any:
    """How many times as often as on first sight this user clicks a creative, as far as that is heeded."""
    return (1.0 + row[Row.EXPOSURES]) ** -memory[FATIGUE] if memory[FATIGUE] > 0.0 else 1.0


@piece
def trials(row: Any, memory: Any, shown: Any, expected: Any) -> Any:
    """Impressions of a creative, from these columns of its row.

    Where fatigue is heeded, as many on first sight by usual users as would have let expect as many clicks.
    """
    return row[expected] / memory[RATE] if memory[FATIGUE] > 0.0 else row[shown]


@piece
def shown_so_far(view: Any, places: Any) -> Any:
    """Impressions of the ad before this one."""
    total = 0.0
    for c in range(places):
        total += row_of(view, c)[Row.SHOWN]
    return total


@piece
def best_of(score: Any, view: Any, places: Any, memory: Any, own: Any) -> Any:
    """The first of the creatives with the largest score(view, row, memory, own) times freshness."""
    best, chosen = -np.inf, np.int64(0)
    for c in range(places):
        row = row_of(view, c)
        if row[Row.THERE] > 0.0:
            x = score(view, row, memory, own) * freshness(row, memory)
            if x > best:
                best, chosen = x, np.int64(c)
    return chosen


def by_score(function: Callable[..., float]) -> RowRule:
    """A rule that casts the creative with the best score; `function` scores one from what is shown of it, above 0."""
    score = piece(function)

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        return best_of(score, view, answer.size, memory, own)

    return row_rule(cast)


STEPS = 96  # of an integral over click rates
SIGMAS = 5.0  # from the mean, in logs, beyond which nothing is looked for


@piece
def chances_of_best(a: Any, b: Any, factor: Any, out: Any) -> None:
    """Fills out[c] with the probability that factor[c] x Beta(a[c], b[c]) is the largest; places with factor 0 take no part.

    By the trapezoid rule over the logarithm of the rate, from where the best of all surely lies above.
    """
    low, high = -np.inf, -np.inf
    for c in range(a.size):
        if factor[c] > 0.0:
            n, width = a[c] + b[c], SIGMAS / math.sqrt(a[c])
            low = max(low, math.log(factor[c] * a[c] / n) - width)
            high = max(high, math.log(factor[c] * min((a[c] + 6.0 * math.sqrt(a[c]) + 12.0) / n, 1.0)))
    step = (high - low) / (STEPS - 1)
    density, below = np.zeros((a.size, STEPS)), np.ones((a.size, STEPS))
    for c in range(a.size):
        if factor[c] > 0.0:
            scale, shift = math.lgamma(a[c] + b[c]) - math.lgamma(a[c]) - math.lgamma(b[c]), math.log(factor[c])
            for g in range(STEPS):
                log_rate = low + g * step - shift
                if log_rate < 0.0:
                    density[c, g] = math.exp(scale + a[c] * log_rate + (b[c] - 1.0) * math.log1p(-math.exp(log_rate)))
            for g in range(STEPS - 2, -1, -1):
                below[c, g] = below[c, g + 1] - 0.5 * step * (density[c, g] + density[c, g + 1])
    out[:] = 0.0
    before = np.ones(a.size)
    for g in range(STEPS):
        for c in range(1, a.size):
            before[c] = before[c - 1] * max(below[c - 1, g], 0.0)
        after = 1.0
        for c in range(a.size - 1, -1, -1):
            out[c] += density[c, g] * before[c] * after
            after *= max(below[c, g], 0.0)
    out /= out.sum()


def by_thompson(shown: int, clicks: int, expected: int) -> RowRule:
    """Thompson sampling with Beta posteriors of click rates, from these columns of a creative's row; memory: prior strength."""

    def cast(view: Any, answer: Any, memory: Any, own: Any) -> Any:
        a, b, factor = np.ones(answer.size), np.ones(answer.size), np.zeros(answer.size)
        for c in range(answer.size):
            row = row_of(view, c)
            if row[Row.THERE] > 0.0:
                seen = trials(row, memory, shown, expected)
                a[c] = memory[RATE] * memory[FIRST] + row[clicks]
                b[c] = max((1.0 - memory[RATE]) * memory[FIRST] + seen - row[clicks], 1e-3)
                factor[c] = freshness(row, memory)
        chances_of_best(a, b, factor, answer)
        return -1

    return row_rule(cast)
