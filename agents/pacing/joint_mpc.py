"""Model-predictive control of all campaigns at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import LANES, Floats
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import has_money
from ..parameters import LogUniform, Range, Uniform, check_number, check_whole
from .equilibrium import among_all, bids_of, equilibrium
from .factors import lowered, requests_ahead, unpaced

AT_FIRST = 4  # times the rounds in the morning, when there is no solution near
FURTHEST = 1.5  # of the log of observed over planned spend in a tick
COMPARED = 512  # requests at most on which a tick's spend is planned
TINY = 1e-9  # currency


@dataclass
class JointMPC(PacingPolicy):
    """At each tick the pacing equilibrium of the rest of the day, on a sample of its requests; at the next tick, anew.

    Requests are those of an even day's ticks to come, as many as the forecast scaled by today's traffic; bids are as they are
    now, of those who are not held too. The solution of the last tick is where the next begins (`equilibrium`). Where a campaign
    spends more than was planned at the factors in force, it is planned with less:
    wanted = budget left / requests to come x exp(-gain b), b a falling average over the day of log(spend / planned).
    """

    SPACE: ClassVar[Mapping[str, Range]] = {
        "confidence": LogUniform(0.02, 1.0),
        "gain": Uniform(0.0, 1.0),
        "forget": Uniform(0.5, 0.95),
    }

    size: int = 1024  # requests of the sample, at most; as many as run together (64), or more
    rounds: int = 8  # of tatonnement at a tick, four times as many in the morning; from 1 up
    confidence: float = 0.1  # in the forecast's level of traffic, in days; above 0
    gain: float = 0.5  # from 0 up
    forget: float = 0.8  # weight of b after one more tick, from 0 to 1

    def __post_init__(self) -> None:
        check_whole(self, "size", least=LANES)
        check_whole(self, "rounds", least=1)
        check_number(self, "confidence", above=0)
        check_number(self, "gain", least=0)
        check_number(self, "forget", least=0, most=1)

    def decide(self, view: PacingView) -> Pace:
        told, rounds = view.told, self.rounds
        if told.tick == 0:
            self._factor: Floats = lowered(view, told.prior).factor
            self._over = np.zeros_like(told.prior)
            rounds *= AT_FIRST
        elif self.gain > 0:
            self._compare(view)
        wanted = told.budget_left / requests_ahead(told, self.confidence) * np.exp(-self.gain * self._over)
        rest = view.rehearsal.from_tick(told.tick, self.size)
        self._factor = equilibrium(view, rest, wanted, self._factor, rounds)
        self._others, self._target = view.others, np.where(bids_of(view) > 0, told.target, 0.0)
        return Pace(self._factor)

    def _compare(self, view: PacingView) -> None:
        """Takes what the last tick cost, over what it should have at the factors in force, into the average."""
        told = view.told
        everyone = among_all(self._others, view.places, view.factor * unpaced(view) * self._target)
        planned = view.rehearsal.of_tick(told.tick - 1, COMPARED).outcome(everyone).spend[view.places] * told.last.requests
        seen = np.log(np.maximum(told.last.spend, TINY) / np.maximum(planned, TINY))
        moved = self.forget * self._over + (1 - self.forget) * np.clip(seen, -FURTHEST, FURTHEST)
        self._over = np.where(has_money(told) & told.could_bid, moved, self._over)
