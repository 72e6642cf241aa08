"""Who sits in the other seats: mixtures of classics, and the campaigns whose seats are worth handing round."""

from __future__ import annotations

import numpy as np

from ..simulator.demand import MICRO
from ..simulator.errors import MarketError
from ..simulator.market import build
from ..simulator.scenario import Scenario
from ..simulator.seats import BidPolicy
from .bidding import PID, DualMirrorDescent, Fixed

SEATS = 8

# Kinds of rivals, dealt in turn within each vertical.
MIXES: dict[str, tuple[type[BidPolicy], ...]] = {
    "mixed": (PID, Fixed, PID, DualMirrorDescent),  # half PID, a quarter each of the others
    "pid": (PID,),
    "fixed": (Fixed,),
    "dual": (DualMirrorDescent,),
}


def contested(scenario: Scenario, most: int = SEATS) -> list[int]:
    """Campaigns with a steady value whose budget is under 90% of what they could spend, most conversions first.

    Raises `MarketError` if the market has none.
    """
    table, expected = (market := build(scenario)).campaigns, market.expected
    bound = (table.budget / MICRO < 0.9 * expected.unconstrained_spend) & ~table.follows_demand
    if not bound.any():
        raise MarketError(
            f"scenario {scenario.name!r} has no steady campaign whose budget binds, so there is nothing to compare"
        )
    order = np.argsort(-expected.conversions, kind="stable")
    return [int(k) for k in order if bound[k]][:most]


def rivals(scenario: Scenario, campaign: int, mix: str = "mixed") -> dict[int | str, BidPolicy]:
    """Fresh policies for everybody but one campaign: the kinds of a mix in turn, within each vertical.

    Raises `MarketError` if there is no such mix.
    """
    if not isinstance(mix, str) or mix not in MIXES:
        raise MarketError(f"there is no mix of rivals {mix!r}; known are {', '.join(MIXES)}")
    vertical = build(scenario).campaigns.vertical
    one = {kind: kind() for kind in MIXES[mix]}  # one policy holds all campaigns of its kind
    kinds = [one[kind] for kind in MIXES[mix]]
    place = [int((vertical[:k] == vertical[k]).sum()) for k in range(vertical.size)]
    return {k: kinds[place[k] % len(kinds)] for k in range(vertical.size) if k != campaign}
