"""What the platform sees when it paces campaigns: what they are told themselves, and its own log of an even day."""

from __future__ import annotations

from typing import NamedTuple

from ...core.arrays import Floats, Integers
from ...market.rehearsal import Rehearsal
from ..bidding.view import BidView


class PacingView(NamedTuple):
    """What a policy sees at the start of a tick, before campaigns decide; arrays have shape (held,), money in currency."""

    told: BidView  # what the held campaigns are told: budgets, targets, what came of the last tick
    bid: Floats  # for a conversion, as the campaign bids before it is paced; NaN where it bids by request
    factor: Floats  # in force
    participation: Floats  # in force
    places: Integers  # of those held among all campaigns
    # (K,) what all campaigns bid for a conversion now, paced (their target, if by request); 0 for those held or not there
    others: Floats
    usual: Floats  # (K,) target of all campaigns on an even day
    rehearsal: Rehearsal  # auctions of an even day, to be run again with other bids of all K campaigns
