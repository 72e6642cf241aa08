"""What may be decided on pages, in three forms, and what is said of what may not.

`Patterns`: probabilities of patterns, for all pages until the next tick. `PageRule`: a compiled function asked page by page.
`PageFunction`: the same in Python, some ten times slower. A fourth is `Open(each="request")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...core.arrays import Floats
from ...core.errors import PolicyError
from ...core.rules import RowRule
from ...engine.asking import ROUNDING
from ..seat import Policy
from .view import AllocationView


class Patterns(NamedTuple):
    """Pages have patterns with these probabilities: (P,) for all buckets held, (held, P) for each, or one pattern's number."""

    chance: Any


class PageRule(NamedTuple):
    """Pages are what a compiled rule says, which is asked for each; see `core.rules.RowRule` and `engine.asking.Column`.

    `memory` (m,) is the rule's own, `own` (users, w) what it keeps of each user; it may change both. None: it keeps nothing.
    """

    rule: RowRule
    memory: Floats | None = None
    own: Floats | None = None


class PageFunction(NamedTuple):
    """Pages are what a Python function of a page's view, (W,), says: a pattern's number, or probabilities (P,)."""

    decide: Callable[[Floats], Any]


Decision = Patterns | PageRule | PageFunction


class AllocationPolicy(Policy[AllocationView, Decision]):
    """Base of those who allocate ads to pages; the units they hold are buckets of users."""

    seat = "allocation"


def checked_chance(who: str, given: Any, shape: tuple[int, ...]) -> Floats:
    """Probabilities of patterns, (P,) or (held, P). Raises `PolicyError` if they are none."""
    patterns = shape[-1]
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if not 0 <= given < patterns:
            raise PolicyError(f"{who} chose pattern {given}: there are patterns 0 to {patterns - 1}")
        chance = np.zeros(shape)
        chance[..., int(given)] = 1.0
        return chance
    try:
        chance = np.broadcast_to(np.asarray(given, np.float64), shape)
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must give each of {patterns} patterns a probability, not {given!r}") from None
    if not (chance >= 0).all() or not (np.abs(chance.sum(axis=-1) - 1) <= ROUNDING).all():
        raise PolicyError(f"{who} must give patterns probabilities from 0 up that sum to 1, not {given!r}")
    return chance


def checked(who: str, decision: Any, held: int, patterns: int, users: int) -> Decision:
    """A decision as the seat carries it out. Raises `PolicyError`, in the name of `who`, if it is not allowed."""
    if isinstance(decision, Patterns):
        return Patterns(checked_chance(who, decision.chance, (held, patterns)))
    if isinstance(decision, PageFunction):
        if not callable(decision.decide):
            raise PolicyError(f"the PageFunction of {who} needs a function of a page, not {decision.decide!r}")
        return decision
    if not isinstance(decision, PageRule):
        raise PolicyError(f"{who} must decide Patterns, a PageRule or a PageFunction, not {type(decision).__name__}")
    if not isinstance(decision.rule, RowRule):
        raise PolicyError(f"the PageRule of {who} needs a function compiled by @row_rule, not {decision.rule!r}")
    memory = np.zeros(0) if decision.memory is None else decision.memory
    own = np.zeros((users, 0)) if decision.own is None else decision.own
    for name, array, axes, shape in (("memory", memory, 1, "(any,)"), ("own", own, 2, f"({users}, any)")):
        right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.flags.carray
        if not right or array.ndim != axes or (name == "own" and len(array) != users):
            kind = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise PolicyError(f"the {name} of {who}'s rule must be writeable float64 of shape {shape} in one piece, not {kind}")
    return PageRule(decision.rule, memory, own)
