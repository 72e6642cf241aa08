"""DCAF: a price of compute, and a PID on utilisation that moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.compute.decisions import ComputePolicy, Depth
from ...simulator.seats.compute.lately import Following
from ...simulator.seats.compute.view import ComputeView
from ..parameters import Range, Uniform, check_number
from .plan import depths_at

REACH = 2.0  # of an error, in logs
LOWEST, HIGHEST = -8.0, 4.0  # of the log of the price over the largest worth of a request per second of it


@dataclass
class DCAF(ComputePolicy):
    """Each tier the depth whose worth less price x server seconds is largest (Jiang et al., DLP-KDD 2020).

    The price moves by log p += ki e + kp (e - e before), e the log of what the interval asked of the servers over `target` of
    what they could do; worth follows what was earned.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "target": Uniform(0.5, 1.2),
        "kp": Uniform(0.0, 1.0),
        "ki": Uniform(0.05, 1.0),
        "follow": Uniform(0.05, 0.8),
    }

    target: float = 0.86  # share of the servers' time, above 0
    kp: float = 0.26  # from 0 up, as is
    ki: float = 0.76
    follow: float = 0.45  # weight of an interval in what requests are taken to be worth, from 0 to 1
    prior: float = 10.0  # requests of an interval that count for half of that, from 0 up

    def __post_init__(self) -> None:
        check_number(self, "target", above=0)
        for field in ("kp", "ki", "prior"):
            check_number(self, field, least=0)
        check_number(self, "follow", least=0, most=1)

    def start(self, view: ComputeView, dice: np.random.Generator) -> None:
        self._following = Following(len(view.tiers), self.follow, self.prior)
        self._usual = math.log(max(float(view.earnings.revenue.max()), 1e-12))
        self._log = self._usual - math.log(float(view.earnings.work_s.max()))
        self._before = 0.0

    def decide(self, view: ComputeView) -> Depth:
        self._following.see(view)
        if view.number:
            load = float(view.arrived @ view.earnings.work_at(view.depth)) / max(view.capacity_s, 1e-9)
            error = min(max(math.log(max(load, 1e-3) / self.target), -REACH), REACH)
            moved = self._log + self.ki * error + self.kp * (error - self._before)
            self._log = min(max(moved, self._usual + LOWEST), self._usual + HIGHEST)
            self._before = error
        return Depth(depths_at(math.exp(self._log), self._following.worth(view), view.earnings))
