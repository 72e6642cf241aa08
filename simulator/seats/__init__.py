"""Seats: the places of decisions in a market, each a folder; `SEATS` names them, in the order in which they are asked."""

from typing import Any

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

__all__ = ["SEATS"]
