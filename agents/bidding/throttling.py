"""Keeps to its budget by sitting out auctions, at full bids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...simulator.core.chance import uniforms
from ...simulator.core.errors import PolicyError
from ...simulator.seats.bidding.decisions import BidPolicy, ChunkBids, Decision, Requests
from ...simulator.seats.bidding.view import BidView
from ..parameters import LogUniform, Range, Uniform, check_number


@dataclass
class Throttling(BidPolicy):
    """bid = multiplier x target x rate with probability p, else nothing; p <- p (1 + step) while behind, p (1 - step) ahead.

    Budget pacing by probabilistic throttling (Agarwal, Ghosh, Wei & You, KDD 2014): ahead is who has spent more than the
    budget times the share of the day's traffic that the forecast puts before now. p lies between `least` and 1, begins the run
    at `start_share` and is carried from day to day. Whether a request is sat out is a draw of the request and the campaign's
    place among those held, from a key of the policy's own dice; asked twice, the answer is the same. Scaling bids instead
    would bring more value at the same cost. Without a budget p = 1.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"step": LogUniform(0.02, 0.5), "multiplier": Uniform(0.3, 1.5)}

    step: float = 0.1  # above 0, at most 1
    start_share: float = 0.5  # p at the start of a run; above 0, at most 1
    least: float = 0.01  # above 0, at most 1
    multiplier: float = 1.0  # from 0 up

    def __post_init__(self) -> None:
        for field in ("step", "start_share", "least"):
            check_number(self, field, above=0)
            if getattr(self, field) > 1:
                raise PolicyError(f"Throttling needs {field} from above 0 to 1, not {getattr(self, field)!r}")
        check_number(self, "multiplier", least=0)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._share = np.full_like(view.prior, self.start_share)
        self._key = np.uint64(dice.integers(1 << 63))

    def decide(self, view: BidView) -> Decision:
        if view.tick > 0:
            pace = np.where(view.spent_share < view.due, 1 + self.step, 1 - self.step)
            self._share = np.clip(self._share * np.where(view.could_bid, pace, 1.0), self.least, 1.0)
        share = np.where(np.isinf(view.budget), 1.0, self._share)
        scale = self.multiplier * view.target

        def bids(requests: Requests) -> Any:
            draws = np.empty(requests.rate.shape)
            for place, row in enumerate(draws):
                uniforms(self._key, int(requests.number[0]), row.size, place, row)
            return np.where(draws < share[:, None], scale[:, None] * requests.rate, 0.0)

        return ChunkBids(bids)
