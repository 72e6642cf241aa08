"""The yardstick of allocation: the dynamic programme of a platform that is told how patient each user is. For judges only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.allocation.decisions import PageRule
from ...simulator.seats.allocation.view import Facts
from ..allocation.programme import TOLD, WIDTH, memory, rule
from ..allocation.standing import Standing


@dataclass
class Told(Standing):
    """`planned`, for the very rate of leaving that each user has. It knows no luck, and no day that is to come."""

    scenario: Scenario

    def decided(self, facts: Facts) -> PageRule:
        temper, own = build(self.scenario).temper, np.zeros((facts.users, WIDTH))
        own[:, 0] = facts.sessions.leave_rate * (1.0 if temper is None else temper.rate)
        return PageRule(rule(), memory(facts, TOLD), own)
