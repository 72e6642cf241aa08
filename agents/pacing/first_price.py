"""The first-price pacing equilibrium of an expected day, from the convex programme of Eisenberg and Gale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...simulator.core.arrays import LANES, Floats
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.vectors import LEAST
from ...simulator.seats.pacing.view import PacingView
from ..bidding.budgets import requests_to_come
from ..parameters import check_whole
from .equilibrium import among_all, bids_of
from .factors import lowered

STEEPEST = 2.0  # overspend counts up to this multiple of a budget
DELAY = 4  # rounds by which the steps are taken to have fallen already


def eisenberg_gale(won: Callable[[Floats], Floats], budget: Floats, start: Floats, rounds: int = 200) -> Floats:
    """Factors m (K,) in (0, 1] of the first-price pacing equilibrium: budgets are spent or m is 1. It is unique.

    m minimises the dual of the Eisenberg-Gale programme with quasi-linear buyers (Conitzer et al., Management Science 2022),

        sum over requests of the exposure-weighted highest m_k b_k  -  sum over k of B_k log m_k,   0 < m <= 1,

    b what campaigns would bid for a slot that is seen. In x = log m it is convex, its slope is m won - B, and it grows around
    the solution at least as sum of B (exp(d) - 1 - d): so projected subgradient steps of 2 / (n + 1) in units of the budgets,
    averaged with weights n, come near to it as 1 / rounds (Lacoste-Julien, Schmidt & Bach 2012).

    Args:
        won: what campaigns would win at factors m: the sum of b x exposure over the slots they get, (K,) currency.
        budget: (K,) currency; who has inf has the factor 1, who has 0 bids nothing: 0.
        start: (K,) factors, above 0, where the search begins.
    """
    moves = (budget > 0) & np.isfinite(budget)
    fixed = np.where(budget > 0, 1.0, 0.0)
    money = np.where(moves, budget, 1.0)
    x = np.minimum(np.log(start), 0.0)
    mean, total = np.zeros_like(x), 0.0
    for n in range(DELAY, DELAY + rounds):
        factor = np.where(moves, np.exp(x), fixed)
        over = np.minimum(factor * won(factor) / money - 1, STEEPEST)
        mean, total = mean + n * x, total + n
        x = np.minimum(x - 2 / (n + 1) * over, 0.0)
    return np.where(moves, np.exp(mean / total), fixed)


@dataclass
class FirstPrice(PacingPolicy):
    """Plays `eisenberg_gale` of the day that is forecast, at the bids of the morning, all day.

    Where payments are first price it is the morning's pacing equilibrium, and unique. Under other rules nobody pays the whole
    bid, and it lowers bids too far: what an auctioneer would do who took the convex programme for the market.
    """

    size: int = 1024  # requests of the sample, at most; as many as run together (64), or more
    rounds: int = 100  # from 1 up

    def __post_init__(self) -> None:
        check_whole(self, "size", least=LANES)
        check_whole(self, "rounds", least=1)

    def decide(self, view: PacingView) -> Pace | None:
        told = view.told
        if told.tick > 0:
            return None
        bid, requests = bids_of(view), view.rehearsal.from_tick(0, self.size)
        usual: Floats = lowered(view, told.prior).factor
        coming = requests_to_come(told)

        def won(factor: Floats) -> Floats:
            return coming * bid * requests.outcome(among_all(view.others, view.places, factor * bid)).conversions[view.places]

        factor = eisenberg_gale(won, told.budget_left, usual, self.rounds)
        return Pace(np.where(bid > 0, np.maximum(factor, LEAST), usual))
