"""A controller that keeps each campaign's cumulative spend on the curve of expected traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..parameters import LogUniform, Range, Uniform, check_number
from .factors import lowered, unpaced

TINY = 1e-9  # multiplier


@dataclass
class PID(PacingPolicy):
    """multiplier = prior x exp(kp e + ki sum(e) + kd (e - e before)), e = share due by the forecast - budget share spent.

    The actuator is exponential as in Zhang et al. (WSDM 2016), the reference the forecast of traffic as in Agarwal et al. (KDD
    2014). The sum runs over the ticks of a day in which the campaign could bid. It stops where it alone would reach the bound,
    and upwards where it alone would undo all pacing (no wind-up). Each day starts at the prior.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "kp": LogUniform(0.5, 20.0),
        "ki": LogUniform(0.01, 5.0),
        "kd": Uniform(0.0, 8.0),
        "reach": LogUniform(2.0, 30.0),
    }

    kp: float = 7.0  # per unit of error: the share of a day's budget, from 0 up
    ki: float = 0.05  # per unit of error and tick, from 0 up
    kd: float = 1.5  # per unit of change of error in a tick, from 0 up
    reach: float = 5.0  # the multiplier stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        for gain in ("kp", "ki", "kd"):
            check_number(self, gain, least=0)
        check_number(self, "reach", above=1)

    def start(self, view: PacingView, dice: np.random.Generator) -> None:
        self._sum, self._before = np.zeros_like(view.told.prior), np.zeros_like(view.told.prior)

    def decide(self, view: PacingView) -> Pace:
        told, bound = view.told, math.log(self.reach)
        if told.tick == 0:
            self._sum, self._before = np.zeros_like(told.prior), np.zeros_like(told.prior)
        error = np.where(np.isinf(told.budget), 0.0, told.due - told.spent_share)
        push = self.kp * error + self.kd * (error - self._before)
        if self.ki > 0:
            room = np.log(np.maximum(unpaced(view), TINY) / told.prior)  # to where nothing is lowered any more
            summed = self._sum + np.where(told.could_bid, error, 0.0)
            self._sum = np.clip(summed, -bound / self.ki, np.clip(room, 0.0, bound) / self.ki)
            push += self.ki * self._sum
        self._before = error
        return lowered(view, told.prior * np.exp(np.clip(push, -bound, bound)))
