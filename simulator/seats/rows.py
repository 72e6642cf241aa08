"""What is said of rules of rows and probabilities that may not be, whatever seat they are for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Floats
from ..core.errors import PolicyError
from ..core.rules import RowRule
from ..engine.answers import ROUNDING


def checked_rows(who: str, what: str, decision: Any, rows: int) -> Any:
    """A decision of a `rule` with its `memory` and its `own` rows, so many of them, None being filled in.

    Raises:
        PolicyError: if one of them is not what it must be; `what` names the decision.
    """
    if not isinstance(decision.rule, RowRule):
        raise PolicyError(f"the {what} of {who} needs a function compiled by @row_rule, not {decision.rule!r}")
    memory = np.zeros(0) if decision.memory is None else decision.memory
    own = np.zeros((rows, 0)) if decision.own is None else decision.own
    for name, array, axes, shape in (("memory", memory, 1, "(any,)"), ("own", own, 2, f"({rows}, any)")):
        right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.flags.carray
        if not right or array.ndim != axes or (name == "own" and len(array) != rows):
            kind = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise PolicyError(f"the {name} of {who}'s rule must be writeable float64 of shape {shape} in one piece, not {kind}")
    return type(decision)(decision.rule, memory, own)


def checked_function(who: str, what: str, of: str, decision: Any) -> Any:
    """A decision of a function to `decide`. Raises `PolicyError` if it is none."""
    if not callable(decision.decide):
        raise PolicyError(f"the {what} of {who} needs a function of {of}, not {decision.decide!r}")
    return decision


def checked_chance(who: str, given: Any, shape: tuple[int, ...], one: str) -> Floats:
    """A probability for each of the choices along the last axis, from those or the number of `one`, such as "pattern".

    Raises:
        PolicyError: if they are none.
    """
    choices = shape[-1]
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if not 0 <= given < choices:
            raise PolicyError(f"{who} chose {one} {given}: there are {one}s 0 to {choices - 1}")
        chance = np.zeros(shape)
        chance[..., int(given)] = 1.0
        return chance
    try:
        chance = np.broadcast_to(np.asarray(given, np.float64), shape)
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{who} must give each of {choices} {one}s a probability, not {given!r}") from None
    if not (chance >= 0).all() or not (np.abs(chance.sum(axis=-1) - 1) <= ROUNDING).all():
        raise PolicyError(f"{who} must give {one}s probabilities from 0 up that sum to 1, not {given!r}")
    return chance
