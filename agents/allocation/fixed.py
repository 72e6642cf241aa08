"""The same pattern on all pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.seats.allocation.decisions import Patterns
from ...simulator.seats.allocation.view import Facts
from ..parameters import Choice, Range
from .standing import Standing, check_pattern, pattern_in


@dataclass
class Fixed(Standing):
    """The ads of one pattern on every page."""

    SPACE: ClassVar[Mapping[str, Range]] = {"pattern": Choice(tuple(range(13)))}

    pattern: int = 1  # its number, of `Pages.patterns`; as is

    def __post_init__(self) -> None:
        check_pattern(self, "pattern")

    def decided(self, facts: Facts) -> Patterns:
        return Patterns(pattern_in(self, "pattern", facts))
