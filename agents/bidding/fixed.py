"""One multiplier for the whole day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.seats.bidding.decisions import BidPolicy, Decision, Multiplier
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, check_number, check_switch


@dataclass
class Fixed(BidPolicy):
    """bid = multiplier x prior x target x rate, the prior being the campaign's multiplier of an earlier day.

    With the defaults it repeats that day. Against fixed prices and with foresight the best constant is optimal, one over
    the dual price of the budget (Balseiro & Gur, Management Science 2019); without foresight a constant cannot follow
    changes of traffic or of prices.
    """

    by_unit: ClassVar[bool] = True
    by_day: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, Range]] = {"multiplier": LogUniform(0.25, 4.0)}

    multiplier: float = 1.0  # from 0 up
    times_prior: bool = True  # False: bid = multiplier x target x rate

    def __post_init__(self) -> None:
        check_number(self, "multiplier", least=0)
        check_switch(self, "times_prior")

    def decide(self, view: BidView) -> Decision:
        return Multiplier(self.multiplier * (view.prior if self.times_prior else np.ones_like(view.prior)))
