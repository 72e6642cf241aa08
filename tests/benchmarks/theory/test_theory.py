"""The market against theory, the theory against published numbers, and the checks against markets that are wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from adarena.benchmarks import theory
from adarena.benchmarks.theory import (
    auctions,
    budgets,
    cascade,
    compute,
    creatives,
    delays,
    leads,
    memorisation,
    pages,
    people,
    queues,
    rankers,
    sampling,
)
from adarena.benchmarks.theory.check import Check, equal, ratio, sampled

# A share of the full effort where a check takes longer than a second or two.
EFFORT = {
    "7 arrivals": 0.5, "10 dual descent": 0.3, "11 pacing equilibrium, learned": 0.4, "14 compute": 0.5, "14 one price": 0.2,
    "12 delay modelled": 0.5,
}  # fmt: skip
CAUGHT = 6.0  # standard errors by which a wrong market must be found out


@pytest.mark.parametrize("name", theory.CHECKS)
def test_the_market_agrees_with_theory(name: str) -> None:
    checks = theory.CHECKS[name](EFFORT.get(name, 1.0))
    assert checks
    assert [c for c in checks if not c.passed] == []
    assert len({c.name for c in checks}) == len(checks)
    assert {c.name.split()[0] for c in checks} == {name.split()[0]}
    # Standard errors that are too wide would let anything pass.
    vague = [c for c in checks if not c.exact and c.expected and c.standard_error > 0.08 * abs(c.expected)]
    assert [c for c in vague if "variance" not in c.name] == []


def test_every_check_is_there() -> None:
    absent = {13, 18}  # of those up to 33
    assert {int(name.split()[0]) for name in theory.CHECKS} == {*range(1, 34)} - absent


@pytest.mark.parametrize("biased", [False, True])
def test_command(biased: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints and returns, with two of the checks and perhaps a wrong one."""
    wrong = {"3 wrong": lambda effort: [Check("3 wrong", "", 1.0, 2.0, 0.1)]} if biased else {}
    some = {"3": lambda effort: auctions.revenue(0.05), "5": lambda effort: auctions.positions(0.05)}
    monkeypatch.setattr(theory, "CHECKS", some | wrong)
    assert theory.command(Console(width=110), as_json=True) == biased
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [c.name for c in theory.run()]
    assert [row["name"] for row in rows if not row["passed"]] == list(wrong)
    assert {row["sigmas"] is None for row in rows if row["exact"]} == {True}
    assert theory.command(Console(width=110), as_json=False) == biased
    shown = capsys.readouterr().out
    assert all(row["name"] in shown for row in rows)
    assert ("FAILED" in shown) == biased


# The formulas, against numbers computed independently.


@pytest.mark.parametrize(("n", "expected"), [(1, 0.25), (2, 0.4166666666666667), (3, 0.53125), (5, 0.671875)])
def test_revenue_at_the_best_reserve(n: int, expected: float) -> None:
    assert auctions.reserve_revenue(n, 0.5) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_first_price_factor_is_the_best_reply(n: int) -> None:
    beta = (n - 1) / n
    replies = np.linspace(0.01, 1, 991)
    best = replies[np.argmax([auctions.first_price_utility(n, k, beta) for k in replies])]
    assert best == pytest.approx(beta, abs=1e-3)
    draws = (np.arange(1_000_000) + 0.5) / 1_000_000  # the integral itself, value by value
    for k in (0.6 * beta, beta, 1.05 * beta):
        integral = ((1 - k) * draws * np.minimum(1, k * draws / beta) ** (n - 1)).mean()
        assert auctions.first_price_utility(n, k, beta) == pytest.approx(integral, abs=1e-9)


@pytest.mark.parametrize("law", auctions.laws(), ids=lambda law: law.name)
def test_the_best_reserve_of_a_law(law: auctions.Law) -> None:
    """It earns more than any other, whatever the number of bidders; and revenue is that of values drawn one by one."""
    values = law.quantile(np.random.default_rng(0).random((400_000, 3)))
    for n in (1, 2, 3):
        tried = np.linspace(0.3, 3, 271) * law.best
        best = tried[np.argmax([law.revenue(n, r) for r in tried])]
        assert best == pytest.approx(law.best, rel=0.01)
        first = np.sort(values[:, :n], axis=1)[:, ::-1]
        second = first[:, 1] if n > 1 else np.zeros(len(first))
        for reserve in (0.4, law.best, 2.5):
            paid = np.where(first[:, 0] >= reserve, np.maximum(second, reserve), 0.0)
            assert law.revenue(n, reserve) == pytest.approx(paid.mean(), abs=4 * paid.std() / len(paid) ** 0.5)


def test_reserves_of_known_laws() -> None:
    """1 and revenue 1/e for the exponential; where the log-normal's own density says that the virtual value is none."""
    exponential, normal = auctions.laws()
    assert exponential.best == 1
    assert exponential.revenue(1, 1.0) == pytest.approx(math.exp(-1))
    assert normal.best == pytest.approx(stats.lognorm.sf(normal.best, 1) / stats.lognorm.pdf(normal.best, 1))


@pytest.mark.parametrize("s", [0.0, 0.5, 1.0])
def test_truth_is_the_best_bid_at_any_squashing(s: float) -> None:
    """And what a bid gains is that of auctions drawn one by one."""
    factors = np.linspace(0.3, 3, 28)
    assert factors[np.argmax([auctions.squashed_gain(s, c) for c in factors])] == pytest.approx(1.0)
    v, p, other, its = np.random.default_rng(1).random((4, 1_000_000))
    for c in (0.6, 1.0, 1.6):
        rank, against = c * v * p**s, other * its**s
        gain = np.where(rank > against, p * (v - against / p**s), 0.0)
        assert auctions.squashed_gain(s, c) == pytest.approx(gain.mean(), abs=4 * gain.std() / 1000)


def test_vcg_prices_by_definition() -> None:
    assert auctions.vcg_prices((10, 8, 6, 4)) == pytest.approx((5.2, 4.5, 4.0))


@pytest.mark.parametrize(
    ("pricing", "n", "rho", "k"),
    [
        ("second", 2, 0.1, 0.6), ("second", 5, 0.05, 0.375), ("second", 10, 0.02, 0.244444),
        ("first", 2, 0.1, 0.3), ("first", 5, 0.05, 0.3), ("first", 10, 0.02, 0.22),
    ],
)  # fmt: skip
def test_pacing_factors(pricing: str, n: int, rho: float, k: float) -> None:
    assert budgets.pacing_factor(pricing, n, rho) == pytest.approx(k, abs=1e-6)


@pytest.mark.parametrize(
    ("servers", "load", "waits"),
    [(1, 0.8, 0.8), (2, 0.8, 0.711111), (5, 0.8, 0.554113), (10, 0.9, 0.668732), (50, 0.95, 0.629095), (100, 0.95, 0.506457)],
)
def test_erlang_c(servers: int, load: float, waits: float) -> None:
    assert queues.erlang_c(servers, load) == pytest.approx(waits, abs=1e-6)


@pytest.mark.parametrize(("beta", "limit"), [(0.5, 0.5045), (1.0, 0.2234), (1.5, 0.0847), (2.0, 0.0269)])
def test_many_servers_reach_their_limit(beta: float, limit: float) -> None:
    assert queues.halfin_whitt(beta) == pytest.approx(limit, abs=5e-5)
    assert queues.erlang_c(1_000_000, 1 - beta / 1000) == pytest.approx(limit, rel=5e-3)


def test_largest_of_ten_normals() -> None:
    assert sampling.largest_of(10) == pytest.approx(1.5387527308, abs=1e-8)


def test_expected_arrivals_by_fine_summation() -> None:
    start, end, factor = sampling.SURGE
    at = (np.arange(1_000_000) + 0.5) / 1_000_000
    height = np.repeat(sampling.CURVE, 250_000) / np.mean(sampling.CURVE) * np.where((at > start) & (at < end), factor, 1)
    for share in (0.1, 0.25, 0.31, 0.5, 0.6, 0.9, 1.0):
        fine = 20_000 * height[: round(share * 1_000_000)].sum() / 1_000_000
        assert sampling.expected_arrivals(20_000, np.array([share]))[0] == pytest.approx(fine, rel=1e-9)


@pytest.mark.parametrize(
    ("units", "price", "revenue", "saving"),
    [
        (0.5, 0.301710, 0.243805, 0.281),
        (1, 0.158594, 0.353982, 0.21002),
        (2, 0.052469, 0.448907, 0.136),
        (3, 0.018661, 0.481513, 0.098),
    ],
)
def test_compute_by_its_shadow_price(units: float, price: float, revenue: float, saving: float) -> None:
    assert compute.shadow_price(units) == pytest.approx(price, abs=1e-6)
    assert 1 - compute.equal_compute(units) / units == pytest.approx(saving, abs=5e-4)
    worth = (np.arange(100_000) + 0.5) / 100_000
    for spent, earned in ((units, revenue), (compute.equal_compute(units), -math.expm1(-units) / 2)):
        best = compute.optimum(worth, spent)
        assert best.mean() == pytest.approx(spent, abs=1e-9)
        assert (worth * -np.expm1(-best)).mean() == pytest.approx(earned, abs=1e-6)


def test_no_other_allocation_of_the_compute_earns_more() -> None:
    """Moving draws between any two tiers loses."""
    told = compute.tiers(compute.toy(1_000))
    assert (np.diff(told.worth) > 0).all()
    np.testing.assert_allclose(np.bincount(told.of_segment, minlength=32) > 0, True)
    best = compute.optimum(told.worth, 1.0) / compute.UNIT
    for to, of in np.ndindex(32, 32):
        moved = best.copy()
        moved[to] += 1
        moved[of] -= 1
        if to != of and moved.min() >= 0:
            assert compute.earned(told.worth, moved) < compute.earned(told.worth, best)


# The checks themselves.


def test_sigmas_and_verdict() -> None:
    assert Check("", "", 1.0, 1.4, 0.1).sigmas == pytest.approx(4.0)
    assert Check("", "", 1.0, 1.39, 0.1).passed
    assert not Check("", "", 1.0, 0.59, 0.1).passed
    assert equal("", "", 1.0, 1.0 + 1e-9, tolerance=1e-8).passed
    assert not equal("", "", 1.0, 1.1, tolerance=1e-8).passed
    assert not Check("", "", 1.0, 1.1, 0.0).passed
    assert theory.to_json([Check("", "", 1.0, 1.1, 0.0)])[0]["sigmas"] is None
    assert not Check("", "", 1.0, math.nan, 0.1).passed


def test_standard_errors_cover_as_often_as_they_should() -> None:
    """Over 2,000 experiments of known truth the errors in sigmas have standard deviation 1."""
    dice = np.random.default_rng(0)
    means = [sampled("", "", 3.0, dice.normal(3, 2, 200)).sigmas for _ in range(2_000)]
    below = dice.uniform(1, 3, (2_000, 200))
    above = 0.7 * below + dice.normal(0, 0.3, below.shape)
    ratios = [ratio("", "", 0.7, a, b).sigmas for a, b in zip(above, below, strict=True)]
    assert np.std(means) == pytest.approx(1, abs=0.06)
    assert np.std(ratios) == pytest.approx(1, abs=0.06)
    assert abs(np.mean(means)) < 0.09
    assert abs(np.mean(ratios)) < 0.09


# Wrong markets, which the checks must find out.


def mostly_caught(wrong: list[Check], share: float) -> bool:
    """Whether at least this share of the checks is off by more than `CAUGHT` standard errors (or exactly wrong)."""
    return sum(not c.passed if c.exact else abs(c.sigmas) > CAUGHT for c in wrong) >= share * len(wrong)


@pytest.mark.parametrize(
    ("check", "share"),
    [
        # In first price, too, bidding 1 - v or at random loses 1/6 and 1/12 to truth, which earns nothing there.
        (lambda: auctions.truthfulness(0.2, pricing="first"), 0.5),
        (lambda: auctions.first_price_equilibrium(0.5, pricing="second"), 0.75),
        (lambda: auctions.best_reserve(0.2, pricing="first"), 0.25),
        (lambda: auctions.own_factor(0.2, pricing="first"), 0.5),
        (lambda: [c for c in auctions.reserve_by_law(0.2, pricing="first") if "n=2" in c.name], 0.5),
        (lambda: [c for c in auctions.squashing(0.5, wrong=0.5) if "loss" not in c.name], 0.8),
        (lambda: auctions.first_price_target(0.2, pricing="second"), 1.0),
        (lambda: auctions.by_hand(0.2, pricing="second"), 0.5),
        (lambda: [c for c in auctions.positions(0.2, gsp="vcg") if c.name.startswith("5 GSP:")], 0.75),
        (lambda: [c for c in auctions.positions(0.2, gsp="first") if c.name.startswith("5 GSP:")], 1.0),
        (lambda: people.capped(1.0, wrong=3), 0.5),
        (lambda: people.fatigue(1.0, wrong=1.05), 1.0),
        (lambda: people.session_length(1.0, wrong=1.3), 1.0),
        (lambda: people.visits(1.0, wrong=1.3), 1.0),
        (lambda: [c for c in pages.loads(1.0, wrong=1.3) if "0.08" in c.name and "0 ads" not in c.name], 1.0),
        (lambda: pages.cascade(1.0, wrong=1.1), 1.0),
        (lambda: creatives.arms(1.0, wrong=1.2), 1.0),
        (lambda: delays.delayed_feedback(1.0, wrong=1.05), 0.6),
        (lambda: rankers.delay_modelled(0.5, wrong=1.4)[::2], 1.0),  # delays do not move the rate behind them
        (lambda: rankers.thinned(1.0, wrong=1.2)[len(rankers.PUBLISHED) :], 1.0),
        (lambda: rankers.factorised(1.0, wrong=1.001), 1.0),
        (lambda: rankers.ceilings(1.0, wrong=1.5)[1::2], 1.0),  # a power leaves the order as it is
        (lambda: memorisation.memorisation(1.0, wrong=0.6), 1.0),
        (lambda: leads.chain(1.0, wrong=1.2), 1.0),
        (lambda: leads.delays(1.0, wrong=1.5), 1.0),
        (lambda: leads.uplift(1.0, wrong=1.1), 1.0),
        (lambda: [c for c in budgets.shading(1.0, wrong=1.05) if "a request: spend" in c.name], 1.0),
        (lambda: [c for c in cascade.survivors(0.6, wrong=0.7) if "0.6" in c.name], 1.0),
        (lambda: [c for c in compute.allocation(0.4, wrong=3.0) if "one quota" not in c.name], 0.75),
        (lambda: compute.seat(0.2, wrong=1.25), 1.0),
        (lambda: compute.bounded(0.05, wrong=0.8), 1.0),
        (lambda: queues.fixed_service(0.2, service="exponential"), 1.0),
        (lambda: [c for c in sampling.arrivals(0.25, kind="even") if "variance" in c.name or "KS" in c.name], 0.6),
        (lambda: [c for c in sampling.arrivals(0.25, wrong=1.05) if "requests" in c.name and not c.exact], 1.0),
        (lambda: [c for c in sampling.winners_curse(1.0, noise_believed=0.9) if "/" in c.name], 1.0),
        (lambda: [c for c in budgets.dual_descent(0.3, step=50.0) if "regret" in c.name], 0.75),
        (lambda: [c for c in sampling.interference(1.0, affluence=10) if "shared" not in c.name], 1.0),
    ],
    ids=[
        "first price for second", "second price for first", "first price at a reserve", "first price at a factor",
        "first price at the reserve of a law", "squashing half a power off", "second price at a target",
        "second price at a tie", "VCG for GSP", "first price for GSP",
        "a cap of 3 for 2", "exposures that fade 5% later", "users who leave sooner", "ads that annoy more",
        "users who leave pages sooner", "places seen less", "a creative that appeals",
        "delays 5% longer", "delays 40% longer, learned", "a share 20% off",
        "pairs a thousandth off", "truth to the power of 1.5", "a flatter Zipf",
        "leads 20% better", "lead delays half as long again", "more who convert anyway",
        "multiplier 5% off", "recall too blurred", "compute for the worthiest only",
        "closed forms 25% off", "a bound 20% too low", "random service", "even arrivals",
        "surge 5% too strong", "noise misjudged",
        "step ten times too long",
        "budgets that do not bind",
    ],
)  # fmt: skip
def test_a_wrong_market_is_found_out(check: Callable[[], list[Check]], share: float) -> None:
    wrong = check()
    assert mostly_caught(wrong, share), [(c.name, c.sigmas) for c in wrong]
