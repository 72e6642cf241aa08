"""Static hindsight: the best constant decision of a day, found by playing the day again with each tried. For judges only.

Whoever else is there reacts to what is tried, and an adaptive policy may exceed the best constant: it is a yardstick, no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from ...simulator.core.errors import MarketError
from ...simulator.core.numeric import real

P = TypeVar("P")  # a policy that decides the same all day

HALVINGS = 5  # of the search's steps, from coarse to fine
COARSE = range(-3, 4)  # first constants tried on a scale, in coarse steps from its centre
FARTHEST = 60  # coarse steps from the centre after which the search gives up
PEAKS = 2  # how many of the best are refined: score over a scale has several peaks


@dataclass(frozen=True)
class Scale(Generic[P]):
    """Constants that are positive numbers: a geometric grid with ratio 1 + `tolerance` around `centre`.

    Raises `MarketError` if `tolerance` is not between 0 and 1.
    """

    centre: float
    policy: Callable[[float], P]  # that decides a number
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        ratio = real(self.tolerance)
        if ratio is None or not 0 < ratio < 1:
            raise MarketError(f"the tolerance of a search lies between 0 and 1, not at {self.tolerance!r}")
        object.__setattr__(self, "tolerance", ratio)

    def at(self, place: int) -> float:
        """The number so many steps from the centre."""
        return self.centre * (1 + self.tolerance) ** place


class Best(NamedTuple, Generic[P]):
    """The best constant of a day."""

    constant: float  # its number on a scale, or its place in a sequence
    policy: P
    score: float


def best_constant(constants: Scale[P] | Sequence[P], play: Callable[[P], float]) -> Best[P]:
    """The constant with the best score; `play` gives the score of one, by a whole run.

    Of a sequence each is played, and the earliest of equals is the best. The search on a scale is coarse first, widened while
    the best lies at an edge, then finer around the best few.

    Raises:
        MarketError: if there are none.
    """
    if isinstance(constants, Scale):
        place, score = _search(lambda place: play(constants.policy(constants.at(place))))
        return Best(constants.at(place), constants.policy(constants.at(place)), score)
    if not constants:
        raise MarketError("static hindsight needs at least one constant")
    scores = [play(policy) for policy in constants]
    place = scores.index(max(scores))
    return Best(place, constants[place], scores[place])


def _search(play: Callable[[int], float]) -> tuple[int, float]:
    """The place on a fine grid with the best score, and that: from coarse steps to steps of one."""
    tried: dict[int, float] = {}

    def best() -> list[int]:
        return sorted(tried, key=lambda place: (-tried[place], place))

    step = 1 << HALVINGS
    for place in COARSE:
        tried[place * step] = play(place * step)
    while (top := best()[0]) in (min(tried), max(tried)) and abs(top) < FARTHEST * step:
        worthless = all(score == 0 for score in tried.values())  # then only more can help
        if tried[top] == 0 and not worthless:
            break  # the least wins nothing, and more loses
        beyond = max(tried) + step if worthless or top == max(tried) else min(tried) - step
        if abs(beyond) > FARTHEST * step:
            break
        tried[beyond] = play(beyond)
    while step > 1:
        step //= 2
        for place in [p + side for p in best()[:PEAKS] for side in (-step, step)]:
            if place not in tried:
                tried[place] = play(place)
    return best()[0], tried[best()[0]]
