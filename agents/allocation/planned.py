"""A dynamic programme for the average user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from .programme import AVERAGE, WIDTH, memory, rule
from .standing import Standing


@dataclass
class Planned(Standing):
    """Knows the laws by which users tire, leave and come back, and takes each user for any of them."""

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), memory(facts, AVERAGE), np.zeros((facts.users, WIDTH)))
