"""A dynamic programme by what is known of a user beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from .programme import HINTED, WIDTH, memory, rule
from .standing import Standing


@dataclass
class Hinted(Standing):
    """`planned`, each user's patience being as likely as the hint at it says."""

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), memory(facts, HINTED), np.zeros((facts.users, WIDTH)))
