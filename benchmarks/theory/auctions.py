"""Auctions without budgets: truthfulness, the first-price equilibrium, revenue, reserve prices, GSP and VCG.

Values are U[0, 1], independent over bidders and requests. Standard errors come from the variation over 200 ticks of equal
size; where two markets are compared, over the ticks' differences under one seed (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...simulator import Requests
from .check import Check, equal, sampled
from .market import (
    MICRO,
    Scaled,
    Scripted,
    coin,
    column,
    journal_folder,
    played,
    spend,
    uniform,
    utility,
    whole_ticks,
)  # fmt: skip

BIDDERS = (2, 3, 5, 10)
BIDS = (10.0, 8.0, 6.0, 4.0)
EXPOSURE = (1.0, 0.8, 0.6)


def truthfulness(effort: float, pricing: str = "second") -> list[Check]:
    """Check 1: against one rival of value U[0, 1] a bid b in [0, 1] in place of the value v costs (b - v)^2 / 2."""
    scenario = uniform(2, whole_ticks(400_000 * effort), auction__pricing=pricing)
    truth = utility(played(scenario, seed=1), 0)

    def random(requests: Requests) -> Any:
        return coin(requests.number, salt=1)[None]

    scripts: tuple[tuple[str, str, float, Callable[[Requests], Any]], ...] = (
        ("bid .6 v", "(1-.6)^2/6", 0.16 / 6, lambda r: 0.6 * r.rate),
        ("bid sqrt(v)", "E(sqrt(v)-v)^2/2 = 1/60", 1 / 60, lambda r: np.sqrt(r.rate)),
        ("bid 1 - v", "E(1-2v)^2/2 = 1/6", 1 / 6, lambda r: 1 - r.rate),
        ("bid at random", "E(b-v)^2/2 = 1/12", 1 / 12, random),
    )
    return [
        sampled(
            f"1 second price, {name}: loss to truth", f"{formula}; Vickrey 1961", expected,
            truth - utility(played(scenario, {0: Scripted(script)}, seed=1), 0),
        )
        for name, formula, expected, script in scripts
    ]  # fmt: skip


def first_price_utility(n: int, k: float, beta: float) -> float:
    """Utility of bidding k v against n - 1 rivals who bid beta v: (1-k) E[v min(1, k v / beta)^(n-1)]."""
    if k <= beta:
        return (1 - k) * (k / beta) ** (n - 1) / (n + 1)
    r = beta / k  # a value above r is sure to win
    return (1 - k) * (r**2 / (n + 1) + (1 - r**2) / 2)


def first_price_equilibrium(effort: float, pricing: str = "first") -> list[Check]:
    """Check 2: if all bid (n-1)/n v, nobody gains by another factor."""
    checks = []
    for n in BIDDERS:
        beta = (n - 1) / n
        scenario = uniform(n, whole_ticks(200_000 * effort), auction__pricing=pricing)
        factors = {k: np.where(np.arange(n) == 0, k, beta) for k in (beta, 0.8 * beta, 1.1 * beta)}
        got = {k: utility(played(scenario, Scaled(f), seed=2), 0) for k, f in factors.items()}
        best, source = first_price_utility(n, beta, beta), "(1-k)(k/b)^(n-1)/(n+1); Vickrey 1961"
        checks.append(sampled(f"2 first price, n={n}: utility at b=(n-1)/n", source, best, got[beta]))
        for k, share in ((0.8 * beta, ".8 b"), (1.1 * beta, "1.1 b")):
            loss = best - first_price_utility(n, k, beta)
            checks.append(sampled(f"2 first price, n={n}: loss at {share}", source, loss, got[beta] - got[k]))
    return checks


def revenue(effort: float) -> list[Check]:
    """Check 3: first price in equilibrium and second price with truthful bids both bring (n-1)/(n+1)."""
    checks = []
    for n in BIDDERS:
        for pricing, factor in (("first", (n - 1) / n), ("second", 1.0)):
            world = played(uniform(n, whole_ticks(200_000 * effort), auction__pricing=pricing), Scaled(factor), seed=3)
            source = "(n-1)/(n+1); revenue equivalence, Myerson 1981"
            checks.append(sampled(f"3 {pricing} price, n={n}: revenue", source, (n - 1) / (n + 1), spend(world)))
    return checks


def reserve_revenue(n: int, reserve: float) -> float:
    """Expected virtual value of the winner, int_r^1 (2x - 1) n x^(n-1) dx."""

    def integral(x: float) -> float:
        return 2 * n / (n + 1) * x ** (n + 1) - x**n

    return integral(1.0) - integral(reserve)


def best_reserve(effort: float, pricing: str = "second") -> list[Check]:
    """Check 4: a reserve of .5 earns most, whatever the number of bidders."""

    def revenues(n: int, reserve: float) -> Any:
        requests = whole_ticks(200_000 * effort)
        return spend(played(uniform(n, requests, auction__reserve=reserve, auction__pricing=pricing), seed=4))

    source = "int_r^1 (2x-1) n x^(n-1) dx; Myerson 1981"
    best = {n: revenues(n, 0.5) for n in (1, 2, 3, 5)}
    checks = [sampled(f"4 reserve .5, n={n}: revenue", source, reserve_revenue(n, 0.5), got) for n, got in best.items()]
    for n in (1, 2):
        for other in (0.35, 0.65):
            loss = reserve_revenue(n, 0.5) - reserve_revenue(n, other)
            checks.append(sampled(f"4 reserve {other}, n={n}: loss to .5", source, loss, best[n] - revenues(n, other)))
    return checks


def vcg_prices(bids: tuple[float, ...]) -> tuple[float, ...]:
    """Prices per exposure by the definition: the others' best welfare without the winner less theirs with it."""

    def welfare(ranked: list[float]) -> float:
        return sum(bid * exposure for bid, exposure in zip(ranked, EXPOSURE, strict=False))

    return tuple(
        (welfare([*bids[:slot], *bids[slot + 1 :]]) - (welfare(list(bids)) - bids[slot] * exposure)) / exposure
        for slot, exposure in enumerate(EXPOSURE)
    )


def positions(effort: float, gsp: str = "gsp") -> list[Check]:
    """Check 5: three slots seen with probability 1, .8, .6, bids 10, 8, 6, 4. Prices from the journal, of every impression."""
    source = "Edelman, Ostrovsky & Schwarz 2007"
    low = (BIDS[0], *vcg_prices(BIDS))  # the lowest envy-free bids
    cases = (
        ("GSP", gsp, BIDS, BIDS[1:], f"pays the bid below; {source}"),
        ("VCG", "vcg", BIDS, vcg_prices(BIDS), f"harm to others / exposure; {source}"),
        ("GSP, lowest envy-free bids", gsp, low, vcg_prices(BIDS), f"equals VCG; {source}"),
    )
    return [check for case in cases for check in _positions(effort, *case)]


def _positions(
    effort: float, name: str, pricing: str, bids: tuple[float, ...], prices: tuple[float, ...], source: str
) -> list[Check]:
    auction = {"pricing": pricing, "slots": len(EXPOSURE), "exposure": EXPOSURE}
    scenario = uniform(4, whole_ticks(40_000 * effort), auction=auction | {"reserve": MICRO})
    script = Scripted(lambda requests: np.repeat(np.array(bids)[:, None], requests.number.size, axis=1))
    with journal_folder() as folder:
        world = played(scenario, script, seed=5, journal=folder)
        slot, price = column(folder, "impressions", "slot"), column(folder, "impressions", "price")
    checks = []
    for place, expected in enumerate(prices):
        paid = price[slot == place]
        furthest = paid[np.abs(paid - expected).argmax()]
        checks.append(equal(f"5 {name}: price of slot {place + 1}", source, expected, furthest, tolerance=1.01 * MICRO))
    expected = sum(p * e for p, e in zip(prices, EXPOSURE, strict=True))
    checks.append(sampled(f"5 {name}: revenue", f"sum of price x exposure; {source}", expected, spend(world)))
    return checks
