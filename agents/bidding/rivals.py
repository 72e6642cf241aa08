"""Who sits in the other seats: mixtures of classics, and the campaigns whose seats are worth handing round."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...simulator.core.errors import MarketError
from ...simulator.core.money import MICRO
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicy
from ..parameters import space_of
from .adaptive_pacing import AdaptivePacing
from .auctionnet_pid import AuctionNetPID
from .dual import DualMirrorDescent
from .fixed import Fixed
from .mpc import RecedingHorizon
from .multiplicative_pacing import MultiplicativePacing
from .online_lp import OnlineLP
from .pid import PID

MOST = 8  # campaigns whose seats are handed round
# Kinds of rivals, dealt in turn within each vertical.
MIXES: dict[str, tuple[type[BidPolicy], ...]] = {
    "mixed": (PID, Fixed, PID, DualMirrorDescent),  # half PID, a quarter each of the others
    "pid": (PID,),
    "fixed": (Fixed,),
    "dual": (DualMirrorDescent,),
    "mpc": (RecedingHorizon,),
    "adaptive": (AdaptivePacing,),
    "many": (RecedingHorizon, PID, AuctionNetPID, DualMirrorDescent, AdaptivePacing, OnlineLP),
}


# Those of whom `drawn_rivals` may draw: all keep to a budget in ways of their own.
KINDS: tuple[type[BidPolicy], ...] = (
    Fixed, PID, AuctionNetPID, DualMirrorDescent, AdaptivePacing, MultiplicativePacing, RecedingHorizon,
)  # fmt: skip
MOST_KINDS = 3  # in one drawn crowd


def contested(scenario: Scenario, most: int = MOST) -> list[int]:
    """Campaigns with a steady value whose budget is under 90% of what they could spend, most conversions first.

    They run on every day of the scenario, and know what they owe when it ends. Raises `MarketError` if the market has none.
    """
    table, expected = (market := build(scenario)).campaigns, market.expected
    bound = (table.budget / MICRO < 0.9 * expected.unconstrained_spend) & ~table.follows_demand
    if not bound.any():
        raise MarketError(
            f"scenario {scenario.name!r} has no steady campaign whose budget binds, so there is nothing to compare"
        )
    running = bound & np.logical_and.reduce([table.active(day) for day in range(scenario.days)])
    if not running.any():
        raise MarketError(
            f"scenario {scenario.name!r} has no steady campaign whose budget binds and whose flights cover its days "
            f"(all {scenario.days}), so there is nothing to compare"
        )
    if not (settled := running & table.settled_at_once).any():
        raise MarketError(unsettled(table.names[int(np.argmax(running))], "comparison"))
    order = np.argsort(-expected.conversions, kind="stable")
    return [int(k) for k in order if settled[k]][:most]


def unsettled(name: str, what: str) -> str:
    """Why there is no comparison, or other measure, for a campaign that is billed by conversion."""
    return (
        f"campaign {name!r} is billed by conversion (billing: cpa): what its impressions of a day will cost is known when "
        f"conversions are reported, days later, so there is no {what} for it; bill it by impression or by click"
    )


def rivals(scenario: Scenario, campaign: int, mix: str = "mixed") -> dict[int | str, BidPolicy]:
    """Fresh policies for everybody but one campaign: the kinds of a mix in turn, within each vertical.

    Raises `MarketError` if there is no such mix.
    """
    if not isinstance(mix, str) or mix not in MIXES:
        raise MarketError(f"there is no mix of rivals {mix!r}; known are {', '.join(MIXES)}")
    one = {kind: kind() for kind in MIXES[mix]}  # one policy holds all campaigns of its kind
    kinds = [one[kind] for kind in MIXES[mix]]
    return {k: kinds[place % len(kinds)] for k, place in enumerate(turns(scenario)) if k != campaign}


def drawn_rivals(scenario: Scenario, campaign: int, dice: np.random.Generator) -> dict[int | str, BidPolicy]:
    """Fresh policies for everybody but one campaign: one to three kinds of classics, each tuned at random within its `SPACE`.

    Dealt as those of a mix are. Who learns among them meets markets that are paced well and badly, and no crowd twice.
    """
    chosen = dice.choice(len(KINDS), int(dice.integers(1, MOST_KINDS + 1)), replace=False)
    kinds = []
    for kind in (KINDS[place] for place in chosen):
        space = space_of(kind())
        kinds.append(kind(**{field: span.at(float(dice.random())) for field, span in space.items()}))
    return {k: kinds[place % len(kinds)] for k, place in enumerate(turns(scenario)) if k != campaign}


@lru_cache(maxsize=16)
def turns(scenario: Scenario) -> tuple[int, ...]:
    """Which campaign of its vertical each is, in their order."""
    vertical = build(scenario).campaigns.vertical
    return tuple(int((vertical[:k] == vertical[k]).sum()) for k in range(vertical.size))
