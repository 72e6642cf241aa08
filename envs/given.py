"""What environments are given, checked: a scenario with their seat, days, seeds, options, bases; a mistake costs a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..agents.catalogue import make_policy
from ..agents.splits import SPLITS
from ..simulator.core.errors import MarketError
from ..simulator.core.numeric import real, whole
from ..simulator.scenario.tree import Scenario
from ..simulator.seats import check_seat
from .shell import scenario_of

LAST_DAY = SPLITS["test"].stop
DAYS = (SPLITS["train"].start, SPLITS["train"].stop)  # seeds of the worlds that episodes are drawn from


def scenario_with(seat: str, scenario: Any) -> Scenario:
    """The scenario that is meant, as `scenario_of` says. Raises `MarketError` if it has no such seat."""
    market = scenario_of(scenario)
    check_seat(seat, market)
    return market


def range_of(days: Any) -> tuple[int, int]:
    """A range of seeds. Raises `MarketError` if it is none."""
    first, end = [whole(day) for day in days] if isinstance(days, tuple | list) and len(days) == 2 else (None, None)
    if first is None or end is None or not 0 <= first < end <= LAST_DAY:
        raise MarketError(f"days are drawn from a range: two whole numbers from 0 to {LAST_DAY:,}, rising, not {days!r}")
    return first, end


def seed_of(seed: Any) -> int | None:
    """A seed, or none. Raises `MarketError` if it is something else."""
    given = None if seed is None else whole(seed)
    if seed is not None and (given is None or given < 0):
        raise MarketError(f"a seed is a whole number from 0 up, not {seed!r}")
    return given


def options_of(options: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    """Options of a reset. Raises `MarketError` if they are no mapping, or one has a name that is not known."""
    given: Mapping[str, Any] = {} if options is None else options
    if not isinstance(given, Mapping):
        raise MarketError(f"options are a mapping from names to values, not {options!r}")
    if unknown := [name for name in given if name not in known]:
        words = " and ".join(filter(None, (", ".join(known[:-1]), known[-1])))
        raise MarketError(f"there is no option {unknown[0]!r}; known are {words}")
    return given


def check_one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raises `MarketError` if a setting is none of those that are known."""
    if value not in known:
        raise MarketError(f"the {name} is one of {', '.join(known)}, not {value!r}")


def check_base(seat: str, base: Any) -> None:
    """Raises `MarketError` if the base of an environment is no name, `PolicyError` if no policy of the seat has it."""
    if not isinstance(base, str):
        raise MarketError(f"the base is the name of {'an' if seat[0] in 'aeiou' else 'a'} {seat} policy, not {base!r}")
    make_policy(seat, base)


def reach_of(reach: Any) -> float:
    """By what factor an action of 1 raises something. Raises `MarketError` if it is none above 1."""
    if (factor := real(reach)) is None or not 1 < factor < np.inf:
        raise MarketError(f"the reach of an action is a factor above 1, not {reach!r}")
    return factor
