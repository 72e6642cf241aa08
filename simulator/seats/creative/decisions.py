"""What may be decided on creatives, in three forms, and what is said of what may not.

`Shares`: a share for each creative, for all impressions until the next tick. `CreativeRule`: a compiled function asked
impression by impression. `CreativeFunction`: the same in Python, some ten times slower. A fourth is `Open(each="request")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from ...core.arrays import Floats, Integers
from ...core.errors import PolicyError
from ...core.rules import RowRule
from ..rows import checked_chance, checked_function, checked_rows
from ..seat import Policy
from .view import CreativeView


class Shares(NamedTuple):
    """Ads show their creatives in these shares, each ad's summing to 1: (C,) for all ads held, or (held, C) for each.

    C is the most creatives an ad has; one that has fewer gives the others 0. Those that have not come yet leave their shares to
    the others, and where nobody has any, these are shown evenly.
    """

    values: Any


class CreativeRule(NamedTuple):
    """Creatives are what a compiled rule says, which is asked when an ad is seen; see `core.rules.RowRule`, `engine.casting`.

    `memory` (m,) is the rule's own, `own` (all ads of the market, w) what it keeps of each ad; it may change both. None: it
    keeps nothing. The rule chooses a creative by its place in the ad, or fills in probabilities, which the journal keeps as
    the impression's propensity; it must not choose one that has not come yet.
    """

    rule: RowRule
    memory: Floats | None = None
    own: Floats | None = None


class CreativeFunction(NamedTuple):
    """Creatives are what a Python function of an impression's view, (W,), says: a place in the ad, or probabilities (C,)."""

    decide: Callable[[Floats], Any]


Decision = Shares | CreativeRule | CreativeFunction


class CreativePolicy(Policy[CreativeView, Decision]):
    """Base of those who cast creatives; the units they hold are ads."""

    seat = "creative"


def checked_shares(who: str, given: Any, count: Integers, most: int) -> Floats:
    """Shares of creatives, (held, most), of ads that have `count` (held,). Raises `PolicyError` if they are none."""
    chance = checked_chance(who, given, (count.size, most), "creative")
    beyond = (chance > 0) & (np.arange(most) >= count[:, None])
    if beyond.any():
        ad, place = np.argwhere(beyond)[0]
        raise PolicyError(f"{who} gave creative {place} a share, of an ad that has {count[ad]}")
    return chance


def checked(who: str, decision: Any, count: Integers, most: int, ads: int) -> Decision:
    """A decision as the seat carries it out. Raises `PolicyError`, in the name of `who`, if it is not allowed."""
    if isinstance(decision, Shares):
        return Shares(checked_shares(who, decision.values, count, most))
    if isinstance(decision, CreativeFunction):
        return cast(CreativeFunction, checked_function(who, "CreativeFunction", "an impression", decision))
    if isinstance(decision, CreativeRule):
        return cast(CreativeRule, checked_rows(who, "CreativeRule", decision, ads))
    raise PolicyError(f"{who} must decide Shares, a CreativeRule or a CreativeFunction, not {type(decision).__name__}")
