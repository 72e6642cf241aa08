"""What a page brings at once."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.memory import packed
from ...simulator.seats.allocation.view import Facts
from .shadow import rule
from .standing import Standing


@dataclass
class Myopic(Standing):
    """The pattern with the most of charges and organic worth on this page: a shadow price of 0."""

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), packed(facts, [0.0, 0.0]))
