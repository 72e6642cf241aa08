"""Auctions without budgets: truthfulness, the first-price equilibrium, revenue, reserve prices, squashing, GSP and VCG.

Values are U[0, 1] unless said otherwise, independent over bidders and requests. Standard errors come from the variation over
200 ticks of equal size; where two markets are compared, over the ticks' differences under one seed (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Any, NamedTuple

import numpy as np
from scipy import integrate, optimize, stats

from ...simulator import Policy, Requests, Scenario, World
from ...simulator.core.arrays import Floats
from ...simulator.seats.auction.decisions import AuctionPolicy, Sale
from ...simulator.seats.auction.view import AuctionView
from ...simulator.seats.pacing.decisions import Pace, PacingPolicy
from ...simulator.seats.pacing.view import PacingView
from .check import Check, equal, ratio, sampled
from .market import (
    MICRO,
    TICKS,
    Scaled,
    Scripted,
    coin,
    column,
    journal_folder,
    played,
    spend,
    uniform,
    utility,
    value,
    whole_ticks,
)  # fmt: skip

BIDDERS = (2, 3, 5, 10)
FACTORS = (0.7, 1.5, 3.0)
BIDS = (10.0, 8.0, 6.0, 4.0)
EXPOSURE = (1.0, 0.8, 0.6)


class Sells(AuctionPolicy):
    """One decision until noon, and one from then on."""

    def __init__(self, morning: Sale, afternoon: Sale) -> None:
        self.morning, self.afternoon = morning, afternoon

    def decide(self, view: AuctionView) -> Sale:
        """See `Policy.decide`."""
        return self.morning if view.told.tick < view.told.ticks // 2 else self.afternoon


class Paces(PacingPolicy):
    """One decision all day."""

    def __init__(self, decision: Pace) -> None:
        self.decision = decision

    def decide(self, view: PacingView) -> Pace:
        """See `Policy.decide`."""
        return self.decision


def lived(scenario: Scenario, seed: int, **seats: Policy[Any, Any] | dict[int | str, Policy[Any, Any]]) -> World:
    """A world run to its end, with these policies in its seats."""
    world = World(scenario, seats, seed=seed)
    world.run()
    return world


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


def own_factor(effort: float, pricing: str = "second") -> list[Check]:
    """Check 1: against one truthful rival a factor c on one's own bid loses surplus, whatever it is, and gains value above 1.

    Factors below 1 are the platform's, of the pacing seat.
    """
    scenario = uniform(2, whole_ticks(400_000 * effort), auction__pricing=pricing)
    truth, checks = played(scenario, seed=1), []
    for c in FACTORS:
        if c <= 1:
            surplus, worth, formulas = 2 * c - c**2, c, ("2c-c^2", "c")
            world = lived(scenario, 1, pacing={0: Paces(Pace(c))})
        else:
            surplus, worth, formulas = 2 / c - 1 / c**2, 1.5 - 0.5 / c**2, ("2/c-1/c^2", "3/2-1/2c^2")
            world = played(scenario, {0: Scaled(c)}, seed=1)
        name, source = f"1 own bid times {c}", "{}; Vickrey 1961"
        checks += [
            ratio(f"{name}: surplus", source.format(formulas[0]), surplus, utility(world, 0), utility(truth, 0)),
            ratio(f"{name}: value", source.format(formulas[1]), worth, value(world, 0), value(truth, 0)),
        ]
    return checks


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
    for n in sorted((*BIDDERS, 4, 7)):
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


class Law(NamedTuple):
    """How values are distributed."""

    name: str
    quantile: Callable[[Floats], Floats]
    below: Callable[[float], float]  # probability of less
    best: float  # reserve, where the virtual value v - (1 - F) / f is 0

    def revenue(self, n: int, reserve: float) -> float:
        """Of a second price: r P(first >= r) + int_r P(second >= x) dx."""

        def second(x: float) -> float:
            p = self.below(x)
            return 1 - n * p ** (n - 1) + (n - 1) * p**n

        beyond = 0.0 if n == 1 else integrate.quad(second, reserve, np.inf)[0]
        return float(reserve * (1 - self.below(reserve) ** n) + beyond)


def laws() -> tuple[Law, Law]:
    """The exponential of mean 1, and the log-normal of sigma 1, whose best reserve solves phi(z) / (1 - Phi(z)) = sigma."""
    z = optimize.brentq(lambda x: stats.norm.pdf(x) / stats.norm.sf(x) - 1, -5, 5)
    return (
        Law("exponential", lambda u: -np.log1p(-u), lambda x: 1 - exp(-x), 1.0),
        Law("log-normal", lambda u: np.exp(stats.norm.ppf(u)), lambda x: float(stats.norm.cdf(np.log(x))), exp(z)),
    )


def reserve_by_law(effort: float, pricing: str = "second") -> list[Check]:
    """Check 4: the best reserve of other laws, whatever the number of bidders, as the seat decides it; one from noon on."""
    requests = whole_ticks(100_000 * effort)
    checks = []
    for law in laws():
        script = Scripted(lambda r, law=law: law.quantile(r.rate))  # type: ignore[misc]
        for n in (1, 2):
            scenario = uniform(n, requests, auction__pricing=pricing)

            def revenues(reserve: float, scenario: Scenario = scenario, script: Scripted = script) -> Any:
                sale = Sale(reserve)
                return spend(lived(scenario, 4, bidding=script, auction=Sells(sale, sale)))

            name, best = f"4 {law.name}, n={n}", revenues(law.best)
            source, top = "r P(first>=r) + int_r P(second>=x) dx; Myerson 1981", law.revenue(n, law.best)
            checks.append(sampled(f"{name}: revenue at reserve {law.best:.4g}", source, top, best))
            for share in (0.5, 2.0):
                other = share * law.best
                loss = top - law.revenue(n, other)
                checks.append(sampled(f"{name}: loss at reserve {other:.4g}", source, loss, best - revenues(other)))
    both = spend(lived(uniform(2, 2 * requests, auction__pricing=pricing), 4, auction=Sells(Sale(), Sale(0.5))))
    morning, afternoon = both[: TICKS // 2], both[TICKS // 2 :]
    for when, expected, ticks in (("before noon", 1 / 3, morning), ("from noon on", 5 / 12, afternoon)):
        source = "1/3, with it 5/12; Myerson 1981"
        checks.append(sampled(f"4 reserve .5 decided at noon, n=2: revenue {when}", source, expected, ticks))
    return checks


def squashed_gain(s: float, c: float) -> float:
    """Expected surplus of who bids c v for a click against a truthful rival, at squashing s; v and both click rates U[0, 1].

    The rank c v p^s wins against y = v' p'^s and pays y / p^s a click: E p^(1-s) int_0^(c x) (x - y) dG(y), x = v p^s.
    """

    def chance(y: Floats) -> Floats:  # G
        return y * (1 - np.log(y)) if s == 1 else y if s == 0 else y ** (1 / s) + (y - y ** (1 / s)) / (1 - s)

    def below(y: Floats) -> Floats:  # its integral from 0
        if s == 1:
            return 0.75 * y**2 - 0.5 * y**2 * np.log(y)
        power = y ** (1 / s + 1) / (1 / s + 1) if s > 0 else 0.0
        return 0.5 * y**2 if s == 0 else power + (0.5 * y**2 - power) / (1 - s)

    grid = (np.arange(1000) + 0.5) / 1000
    v, p = grid[:, None], grid[None]
    x = v * p**s
    bid = np.minimum(c * x, 1.0)  # nothing ranks above 1
    return float((p ** (1 - s) * ((x - bid) * chance(bid) + below(bid))).mean())


def squashing(effort: float, wrong: float = 0.0) -> list[Check]:
    """Check 28: bids for a click rank by v p^s and truth is the best of them, for every fixed s; 0 ranks by the bid alone.

    Values of a click and click rates are U[0, 1]. `wrong` adds to the squashing decided, for tests that want to see the check
    fail.
    """
    requests, checks = whole_ticks(100_000 * effort), []
    for s in (0.0, 0.5, 1.0):
        truth, lower = _squashed(requests, s + wrong, s, 1.0)
        source = "rank v p^s, price of a click (rival's rank) / p^s: {}; Lahaie & Pennock 2007"
        name = f"28 squashing {s:g}"
        checks += [
            equal(f"{name}: sold to a lower v p^s", source.format("none"), 0, lower),
            sampled(f"{name}: surplus of truth", source.format("E p^(1-s) H(v p^s)"), squashed_gain(s, 1.0), truth),
        ]
        for c in (0.6, 1.6):
            loss = squashed_gain(s, 1.0) - squashed_gain(s, c)
            found = truth - _squashed(requests, s + wrong, s, c)[0]
            checks.append(sampled(f"{name}: loss of bidding {c} v", source.format("by quadrature"), loss, found))
    return checks


def _squashed(requests: int, decided: float, s: float, c: float) -> tuple[Floats, int]:
    """The surplus a request of who bids c times its value, by tick; and how many requests went to the lower rank at s."""

    def value_of(number: Any) -> Floats:
        return np.stack([coin(number, salt=1), coin(number, salt=2)])

    rates: dict[int, Floats] = {}

    def bids(r: Requests) -> Any:
        rates.update(zip(r.number.tolist(), r.rate.T, strict=True))
        return value_of(r.number) * r.rate * np.array([[c], [1.0]])

    sale = Sale(squashing=decided)
    with journal_folder() as folder:
        world = World(uniform(2, requests), {"bidding": Scripted(bids), "auction": Sells(sale, sale)}, 28, journal=folder)
        world.run()
        number, winner, price = (column(folder, "impressions", name) for name in ("request", "campaign", "price"))
    worth, rate = value_of(number), np.array([rates[n] for n in number.tolist()]).T
    ranks = worth * np.array([[c], [1.0]]) * rate**s
    gain = np.where(winner == 0, worth[0] * rate[0] - price, 0.0)
    gains: Floats = np.bincount(number // (requests // TICKS), gain, minlength=TICKS) / (requests // TICKS)
    return gains, int((ranks[winner, np.arange(winner.size)] < ranks[1 - winner, np.arange(winner.size)]).sum())


def first_price_target(effort: float, pricing: str = "first") -> list[Check]:
    """Check 9: in first price, budgets slack, who bids C p pays C for a conversion, however others bid."""
    targets = (0.6, 0.9, 1.3)
    world = played(uniform(3, whole_ticks(400_000 * effort), auction__pricing=pricing), Scaled(np.array(targets)), seed=9)
    spent, converted = world.ledger.spend(), world.ledger.conversions()
    return [
        ratio(f"9 first price, bid {c} p: CPA over {c}", "price C p, p conversions: 1", 1.0, spent[:, k], c * converted[:, k])
        for k, c in enumerate(targets)
    ]


def by_hand(effort: float, pricing: str = "first") -> list[Check]:
    """Check 11: A (value 2, budget 1/2 a request) and B (value 1, no budget) want one good: in first price A's factor is 1/2.

    Below it A wins nothing, above it all, for twice its budget; at it both bid 1, and the tie is to be shared: A, to whom the
    market gives it, takes part in half of the auctions.
    """
    scenario = uniform(2, whole_ticks(100_000 * effort), auction__pricing=pricing)
    script = Scripted(lambda r: np.repeat([[2.0], [1.0]], r.number.size, axis=1))

    def shares(factor: float, participation: float) -> tuple[Floats, Floats]:
        world = lived(scenario, 11, bidding=script, pacing={0: Paces(Pace(factor, participation))})
        return spend(world, 0), spend(world)

    paid, revenues = shares(0.5, 0.5)
    name, source = "11 first price by hand", "m = 1/2, price 1, A wins half: {}; Conitzer et al. 2022"
    nothing, everything = shares(0.499, 1.0)[0].mean(), shares(0.501, 1.0)[0].mean()
    return [
        sampled(f"{name}: spend of A at m=1/2", source.format("its budget, 1/2"), 0.5, paid),
        equal(f"{name}: revenue at m=1/2", source.format("1"), 1.0, float(revenues.mean()), tolerance=MICRO),
        equal(f"{name}: spend of A at m=.499", source.format("0"), 0.0, nothing),
        equal(f"{name}: spend of A at m=.501", source.format("2m"), 1.002, everything, tolerance=MICRO),
    ]


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
