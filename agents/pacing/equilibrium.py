"""A pacing equilibrium on a sample of requests: all budgets are planned at once, since each moves the prices of all."""

from __future__ import annotations

import numpy as np

from ...simulator.core.arrays import Floats, Integers
from ...simulator.market.rehearsal import Rehearsal
from ...simulator.seats.pacing.vectors import LEAST
from ...simulator.seats.pacing.view import PacingView
from .factors import with_budgets

FIRST_STEP, HALF_AFTER = 0.6, 10.0  # of a round, in logs of spend; rounds after which steps are half as long
FURTHEST = 4.0  # by what factor spend counts as too much or too little in a round


def bids_of(view: PacingView) -> Floats:
    """What the held campaigns bid for a conversion unpaced, (held,) currency: 0 without money, or where they are not there.

    The target where they bid by request, since no more is known.
    """
    told = view.told
    bid = np.where(np.isnan(view.bid), told.target, view.bid)
    return np.where(told.active & (told.budget_left > 0), bid, 0.0)


def among_all(others: Floats, places: Integers, bids: Floats) -> Floats:
    """The bids of all campaigns, (K,): `others`, and those of the campaigns in these places."""
    everyone = others.copy()
    everyone[places] = bids
    return everyone


def equilibrium(view: PacingView, requests: Rehearsal, wanted: Floats, start: Floats, rounds: int) -> Floats:
    """Factors (held,) from `LEAST` to 1 at which a request costs each campaign what is `wanted` of it, or the factor is 1.

    A pacing equilibrium (Conitzer, Kroer, Sodomka & Stier-Moses, Operations Research 2022), whatever the pricing, by
    tatonnement from `start`: factor <- factor (wanted / spend)^step, the steps falling with the rounds. Others' bids stay as
    they are. A campaign that does not bid keeps its factor, one without a budget has 1.

    Args:
        requests: those that the equilibrium is of.
        wanted: (held,) currency, from 0 up; what is wanted of a campaign without a budget does not matter.
        start: (held,) factors, above 0.
    """
    bid, factor = bids_of(view), with_budgets(view, start)
    moves = (bid > 0) & np.isfinite(view.told.budget)
    for number in range(rounds):
        spend = requests.outcome(among_all(view.others, view.places, factor * bid)).spend[view.places]
        lacks = np.divide(wanted, spend, out=np.full_like(spend, FURTHEST), where=spend > 0)
        step = FIRST_STEP / (1 + number / HALF_AFTER)
        moved = np.clip(factor * np.clip(lacks, 1 / FURTHEST, FURTHEST) ** step, LEAST, 1.0)
        factor = np.where(moves, moved, factor)
    return factor
