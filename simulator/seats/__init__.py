"""Seats: the places of decisions in a market, each a folder; `SEATS` names them, in the order in which they are asked."""

from typing import Any

from ..core.errors import MarketError
from ..scenario.tree import Scenario
from .allocation.seat import AllocationSeat
from .auction.seat import AuctionSeat
from .bidding.seat import BidSeat
from .compute.seat import ComputeSeat
from .creative.seat import CreativeSeat
from .pacing.seat import PacingSeat
from .ranking.seat import RankingSeat
from .seat import Seat

SEATS: dict[str, type[Seat[Any, Any, Any]]] = {
    seat.name: seat for seat in (AuctionSeat, RankingSeat, ComputeSeat, AllocationSeat, CreativeSeat, PacingSeat, BidSeat)
}

__all__ = ["SEATS", "check_seat"]


def check_seat(name: str, scenario: Scenario) -> None:
    """Raises `MarketError` if a scenario has no seat of that name."""
    if (lacks := SEATS[name].missing(scenario)) is not None:
        raise MarketError(f"the {name} seat needs {lacks}, and scenario {scenario.name!r} has none")
