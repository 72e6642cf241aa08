"""The same reserve and squashing all day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...simulator.engine.exchange import LARGEST_SQUASHING, LEAST_RESERVE
from ...simulator.seats.auction.decisions import AuctionPolicy, Sale
from ...simulator.seats.auction.view import AuctionView
from ..parameters import Range, Uniform, check_number
from .goal import mean_price


@dataclass
class Constant(AuctionPolicy):
    """One reserve for all campaigns, and one squashing."""

    SPACE: ClassVar[Mapping[str, Range]] = {"reserve": Uniform(0.0, 1.0), "squashing": Uniform(0.0, 1.2)}

    reserve: float = 0.0  # in mean prices of an even day, from 0 up
    squashing: float = 0.4  # from 0 up, at most 100

    def __post_init__(self) -> None:
        check_number(self, "reserve", least=0)
        check_number(self, "squashing", least=0, most=LARGEST_SQUASHING)

    def decide(self, view: AuctionView) -> Sale | None:
        if view.told.tick > 0:
            return None
        return Sale(max(self.reserve * mean_price(view.told.history), LEAST_RESERVE), self.squashing)
