"""A dynamic programme with beliefs on each user's patience."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from .programme import BELIEVED, WIDTH, memory, rule
from .standing import Standing


@dataclass
class Believed(Standing):
    """`hinted`, and what a user bears and leaves at changes what is believed of his patience, by Bayes' rule."""

    def decided(self, facts: Facts) -> PageRule:
        return PageRule(rule(), memory(facts, BELIEVED), np.zeros((facts.users, WIDTH)))
