"""The law L = E + A x^-a, fitted with E given and with E free, and intervals by drawing seeds and points anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from ...simulator.core.arrays import Floats
from .runs import Point

DRAWS = 200
EXPONENTS = np.geomspace(0.005, 5.0, 24)  # between which the search begins
FEWEST = 4  # points with E free, one more than what is fitted


class Law(NamedTuple):
    """L = floor + amplitude x^-exponent."""

    floor: float
    amplitude: float
    exponent: float

    def at(self, x: Floats) -> Floats:
        """The loss at x."""
        return np.asarray(self.floor + self.amplitude * x**-self.exponent)


class Fitted(NamedTuple):
    """A law, and 95% intervals of its floor and exponent; `off` is the root mean square of L less the law."""

    law: Law
    floor: tuple[float, float]
    exponent: tuple[float, float]
    off: float
    points: int


def fit(x: Floats, loss: Floats, floor: float | None = None) -> Law:
    """The law nearest to losses at x by least squares, with the floor given, or free from 0 up.

    For an exponent the best floor and amplitude are linear, so that only the exponent is searched (Golub and Pereyra 1973).
    """
    scale = float(np.exp(np.log(x).mean()))

    def linear(exponent: float) -> tuple[float, float, float]:
        """The floor, the amplitude at `scale`, and the sum of squares."""
        power = (x / scale) ** -exponent
        below = floor
        if below is None:
            centred = power - power.mean()
            spread = float(centred @ centred)
            slope = float(centred @ loss) / spread if spread > 0 else 0.0
            below = max(float(loss.mean() - slope * power.mean()), 0.0)
        height = float(power @ (loss - below) / (power @ power))
        rest = loss - below - height * power
        return below, height, float(rest @ rest)

    costs = [linear(exponent)[2] for exponent in EXPONENTS]
    place = int(np.argmin(costs))
    ends = EXPONENTS[max(place - 1, 0)], EXPONENTS[min(place + 1, EXPONENTS.size - 1)]
    found = minimize_scalar(lambda exponent: linear(exponent)[2], bounds=ends, method="bounded", options={"xatol": 1e-6})
    exponent = float(found.x)
    below, height, _ = linear(exponent)
    return Law(below, height * scale**exponent, exponent)


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (x, loss) those that nothing cheaper beats, by rising x."""
    best, found = np.inf, []
    for x, loss in sorted(points):
        if loss < best:
            best = loss
            found.append((x, loss))
    return found


def by_compute(points: Sequence[Point]) -> list[tuple[float, float]]:
    """The frontier of loss over floating point operations, of means over seeds."""
    return frontier([(p.operations, p.loss) for p in points])


def by_tokens(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Loss over tokens, of the size that is best in the end."""
    most = max(p.tokens for p in points)
    best = min((p for p in points if p.tokens == most), key=lambda p: p.loss).size
    return sorted((float(p.tokens), p.loss) for p in points if p.size == best)


def by_parameters(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Loss over all parameters, at the largest budget."""
    most = max(p.tokens for p in points)
    return sorted((float(p.with_tables), p.loss) for p in points if p.tokens == most)


VIEWS = {"compute": by_compute, "tokens": by_tokens, "parameters": by_parameters}


def means(points: Sequence[Point], seeds: Sequence[int] | None = None) -> list[Point]:
    """The mean over seeds of each size and budget; `seeds` may name some twice."""
    chosen = sorted({p.seed for p in points}) if seeds is None else seeds
    held: dict[tuple[str, int], dict[int, Point]] = {}
    for p in points:
        held.setdefault((p.size, p.tokens), {})[p.seed] = p
    found = []
    for of_seed in held.values():
        some = next(iter(of_seed.values()))
        found.append(some._replace(seed=-1, loss=float(np.mean([of_seed[s].loss for s in chosen]))))
    return found


def fitted(points: Sequence[Point], view: str, floor: float | None, draws: int = DRAWS) -> Fitted | None:
    """The law of a view of runs, with intervals; None where there are too few points for it.

    A draw takes as many seeds as there are, each perhaps several times, makes the view of their means, and takes as many of its
    points; draws of too few different points are left out.
    """
    seen = VIEWS[view](means(points))
    if len(seen) < FEWEST:
        return None
    x, loss = np.array(seen).T
    law = fit(x, loss, floor)
    dice, seeds = np.random.default_rng(0), sorted({p.seed for p in points})
    drawn: list[Law] = []
    while len(drawn) < draws:
        some = VIEWS[view](means(points, dice.choice(seeds, len(seeds)).tolist()))
        rows = dice.integers(0, len(some), len(some))
        if len(set(rows.tolist())) >= min(FEWEST - 1, len(some) - 1):
            x_drawn, loss_drawn = np.array(some).T[:, rows]
            drawn.append(fit(x_drawn, loss_drawn, floor))
    ends = [np.percentile([getattr(each, name) for each in drawn], [2.5, 97.5]) for name in ("floor", "exponent")]
    (floor_low, floor_high), (low, high) = ends
    off = float(np.sqrt(((law.at(x) - loss) ** 2).mean()))
    return Fitted(law, (float(floor_low), float(floor_high)), (float(low), float(high)), off, len(seen))
