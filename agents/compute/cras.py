"""Control of response time: a PID on how long requests wait, with depth as the actuator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.view import ComputeView
from ..parameters import LogUniform, Range, Uniform, check_number
from .plan import depths_within


@dataclass
class ResponseTime(ComputePolicy):
    """Plans as much work as keeps the mean wait at a share of the deadline, after CRAS (Yang et al. 2021, arXiv 2103.02259).

    CRAS maximises revenue under several limits, response time among them, and keeps to them by feedback. Here the share of the
    servers' time that is planned moves by log share -= ki e + kp (e - e before), e the wait over `wait` of the deadline less 1;
    traffic is that of the last interval.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "wait": LogUniform(0.02, 0.4),
        "kp": Uniform(0.0, 0.5),
        "ki": LogUniform(0.01, 0.5),
    }

    wait: float = 0.1  # of the deadline (of a minute where there is none), above 0
    kp: float = 0.1  # from 0 up, as is
    ki: float = 0.1
    reach: float = 3.0  # the share stays from 1 / reach to reach; above 1

    def __post_init__(self) -> None:
        check_number(self, "wait", above=0)
        for field in ("kp", "ki"):
            check_number(self, field, least=0)
        check_number(self, "reach", above=1)

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self._log = self._before = 0.0

    def decide(self, view: ComputeView) -> Depth:
        if view.number:
            begun = max(int(view.begun.sum()), 1)
            waited = float(view.wait_s @ view.begun) / begun / (self.wait * min(view.deadline_s, 60.0))
            error = min(waited, 4.0) - 1.0
            bound = math.log(self.reach)
            moved = self._log - self.ki * error - self.kp * (error - self._before)
            self._log, self._before = min(max(moved, -bound), bound), error
        requests = view.arrived if view.number else view.coming
        seconds = math.exp(self._log) * view.capacity_s
        return Depth(depths_within(requests.astype(np.float64), seconds, view.worth, view.earnings))
