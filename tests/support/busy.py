"""Measurements on a machine that others keep busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
ATTEMPTS = 6


def undoubted(measure: Callable[[], T], doubts: Callable[[T], list[str]]) -> T:
    """A measurement, again and again until there is no doubt about it.

    What else the machine does adds to one figure or another, each time to another one; a mistake is there each time.
    """
    for _ in range(ATTEMPTS):
        found = measure()
        if not (open_questions := doubts(found)):
            return found
    pytest.fail(", ".join(open_questions))
