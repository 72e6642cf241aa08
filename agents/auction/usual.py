"""The scenario's own rules."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.auction.decisions import AuctionPolicy
from ...simulator.seats.auction.view import AuctionView


@dataclass
class Usual(AuctionPolicy):
    """Decides nothing: the scenario's reserve, squashing and quality all day."""

    def decide(self, view: AuctionView) -> None:
        return None
