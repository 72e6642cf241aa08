"""What whoever runs the auction sees: what campaigns bid and were told, the rules in force, and a log of an even day."""

from __future__ import annotations

from typing import NamedTuple

from ...core.arrays import Floats, Integers
from ...market.rehearsal import Rehearsal, SaleRules
from ..bidding.view import BidView


class AuctionView(NamedTuple):
    """What a policy sees at the start of a tick, before campaigns decide; arrays have shape (K,), money in currency."""

    told: BidView  # what campaigns are told, all K of them
    vertical: Integers  # of each campaign
    bid: Floats  # for a conversion, as paced; NaN where it bids by request, 0 where it is not there
    rules: SaleRules  # in force
    usual: SaleRules  # the scenario's
    rehearsal: Rehearsal  # auctions of an even day, to be run again under other rules
