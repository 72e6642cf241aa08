"""What may be decided on pages, in three forms, and what is said of what may not.

`Patterns`: probabilities of patterns, for all pages until the next tick. `PageRule`: a compiled function asked page by page.
`PageFunction`: the same in Python, some ten times slower. A fourth is `Open(each="request")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from ...core.arrays import Floats
from ...core.errors import PolicyError
from ...core.rules import RowRule
from ..rows import checked_chance, checked_function, checked_rows
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


def checked(who: str, decision: Any, held: int, patterns: int, users: int) -> Decision:
    """A decision as the seat carries it out. Raises `PolicyError`, in the name of `who`, if it is not allowed."""
    if isinstance(decision, Patterns):
        return Patterns(checked_chance(who, decision.chance, (held, patterns), "pattern"))
    if isinstance(decision, PageFunction):
        return cast(PageFunction, checked_function(who, "PageFunction", "a page", decision))
    if isinstance(decision, PageRule):
        return cast(PageRule, checked_rows(who, "PageRule", decision, users))
    raise PolicyError(f"{who} must decide Patterns, a PageRule or a PageFunction, not {type(decision).__name__}")
