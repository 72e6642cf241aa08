"""A controller that keeps cumulative spend on the curve of expected traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, Uniform, check_number
from .laws import steer


@dataclass
class PID(BidPolicy):
    """multiplier = prior x exp(kp e + ki sum(e) + kd (e - e before)), e = traffic share elapsed - budget share spent.

    The reference is the forecast of traffic, not the clock (Agarwal et al., KDD 2014: spend should follow the
    cumulative forecast of impressions), and of it the part that comes while the campaign is active; the actuator is
    exponential as in Zhang et al. (WSDM 2016). The sum runs over the ticks of a day in which it could bid and stops where it
    alone would reach the bound (no wind-up); each day starts at the prior. A campaign with an unlimited budget has no error
    and keeps its prior; one with a budget of 0 counts as spent.
    """

    by_unit: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {
        "kp": LogUniform(1.0, 40.0),
        "ki": LogUniform(0.01, 10.0),
        "kd": Uniform(0.0, 10.0),
        "reach": LogUniform(1.5, 16.0),
    }

    kp: float = 8.0  # per unit of error: the share of a day's budget, from 0 up
    ki: float = 1.0  # per unit of error and tick, from 0 up
    kd: float = 0.0  # per unit of change of error in a tick, from 0 up
    reach: float = 8.0  # the multiplier stays from prior / reach to prior x reach; above 1

    def __post_init__(self) -> None:
        for gain in ("kp", "ki", "kd"):
            check_number(self, gain, least=0)
        check_number(self, "reach", above=1)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._sum: NDArray[np.float64] = np.zeros_like(view.prior)
        self._before: NDArray[np.float64] = np.zeros_like(view.prior)

    def decide(self, view: BidView) -> Decision:
        if view.tick == 0:
            self._sum, self._before = np.zeros_like(view.prior), np.zeros_like(view.prior)
        push, gains = np.empty(view.prior.shape), (float(self.kp), float(self.ki), float(self.kd), math.log(self.reach))
        steer(view.elapsed, view.reach, view.spent_share, view.budget, view.could_bid, *gains, self._sum, self._before, push)
        return Multiplier(view.prior * np.exp(push))
