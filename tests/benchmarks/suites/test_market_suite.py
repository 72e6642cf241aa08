"""The market suite: its numbers are what they are called, and its yardsticks are days that were played."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adarena.agents.bidding import PID, Fixed, Truthful
from adarena.agents.bidding.rivals import rivals
from adarena.agents.catalogue import describe, make_policy
from adarena.agents.crowds import deal
from adarena.agents.hindsight.multiplier import static_hindsight
from adarena.agents.hindsight.pacing import pacing_equilibrium
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.suites.market import MARKET
from adarena.benchmarks.suites.market_day import (
    Day,
    Mixture,
    budgets,
    leaver,
    promoted,
    references,
    responses,
    seated,
)
from adarena.benchmarks.suites.market_numbers import better_off, collusion, concentration, costs, gini
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.market.market import build

SMALL = Scenario.named("pacing-small").override({"traffic.requests_per_day": 3_000, "demand.campaigns": 14})
SEED = 800_000
amounts = st.lists(st.floats(0, 1e6), min_size=1, max_size=12).map(np.array)


def test_costs_by_hand() -> None:
    """Three campaigns; one has nothing; one pays half of what it may, one three times that."""
    found = costs(np.array([10.0, 0.0, 4.0]), np.array([5.0, 0.0, 6.0]), np.array([1.0, 1.0, 0.5]))
    assert found == pytest.approx((1.75, 1.25**2, 0.5, 1 / 3))
    assert costs(np.zeros(2), np.zeros(2), np.ones(2)) == (0, 0, 0, 0)
    assert costs(np.ones(2), np.ones(2), np.ones(2)) == (1, 0, 0, 1)  # who pays just what it may has kept to it


@given(amounts)
def test_inequality_is_the_mean_difference_of_pairs(x: np.ndarray) -> None:
    total = x.sum()
    pairs = np.abs(x[:, None] - x).mean() / (2 * x.mean()) if total > 0 else 0.0
    assert gini(x) == pytest.approx(pairs, abs=1e-9)
    assert concentration(x) == pytest.approx(((x / total) ** 2).sum() if total > 0 else 0.0)


def test_inequality_and_concentration_at_their_ends() -> None:
    one = np.eye(5)[2]
    assert (gini(np.ones(5)), gini(one)) == pytest.approx((0, 0.8))
    assert (concentration(np.ones(5)), concentration(one)) == pytest.approx((0.2, 1))


def test_collusion_and_gainers_by_hand() -> None:
    assert [collusion(r, 100.0, 20.0) for r in (100, 20, 60, 120)] == pytest.approx([0, 1, 0.5, -0.25])
    assert collusion(3.0, 3.0, 3.0) == 0.0
    assert better_off(np.array([2.0, 1.0, 0.0, 3.0]), np.array([1.0, 2.0, 0.0, 1.0])) == pytest.approx(2.5 / 4)


@pytest.mark.parametrize("pricing", ["first", "second", "gsp"])
def test_truthful_bidders_pay_their_target_in_first_price_and_less_in_second(pricing: str) -> None:
    """Known answer: each win costs C p for p expected conversions, so CPA is C for all, whoever wins."""
    known = {"auction.pricing": pricing, "rates.belief_noise": 0.0, "demand.budget_share": None}
    day = seated(SMALL.override(known), SEED, Truthful(), "alike")
    day.run()
    ledger, table = day.world.ledger, build(day.day.scenario).campaigns
    value, spend = ledger.value().sum(axis=0), ledger.spend().sum(axis=0)
    found = costs(value, spend, table.target / table.value)
    if pricing == "first":
        np.testing.assert_allclose(spend[value > 0], value[value > 0], rtol=1e-4)  # prices are whole millionths
        assert found.variance < 1e-8
    else:
        assert found.mean < 0.95
        assert found.exceed == 0


@pytest.mark.parametrize("protocol", ["alike", "half", "promoted"])
def test_what_is_measured_is_what_the_books_say(protocol: str) -> None:
    case = Case(SEED + 1, 0)
    day = MARKET.world(SMALL, case, PID(), protocol, judged=True)
    day.run()
    numbers = MARKET.measure(day, case)
    table, market = day.world.ledger.to_frame(), build(SMALL)
    sums = table.groupby("campaign", observed=False)[["value", "spend", "conversions_attributed"]].sum()
    own = sums.loc[[market.campaigns.names[k] for k in day.held]]
    paid, worth = own["spend"].to_numpy(), own["value"].to_numpy()
    limits = table[table["tick"] == 0].set_index("campaign")
    money = (limits["budget_left"] + limits["spend"]).loc[own.index].to_numpy()
    ratios = [s / v for s, v in zip(paid, worth, strict=True) if v > 0]
    assert MARKET.score(day, case) == pytest.approx(worth.sum())
    expected = {
        "value": sums["value"].sum(),
        "revenue": sums["spend"].sum(),
        "conversions": own["conversions_attributed"].sum(),
        "budget_use": np.mean(paid / money),
        "cpa_ratio": np.mean(ratios),
        "cpa_variance": np.var(ratios),
        "exceeding": np.mean([r > 1 for r in ratios]),
        "qualified": sum(r <= 1 for r in ratios) / len(own),
        "concentration": sum((s / sums["spend"].sum()) ** 2 for s in sums["spend"]),
    }
    for name, value in expected.items():
        assert numbers[name] == pytest.approx(value), name


def test_half_and_half_alternates_within_verticals() -> None:
    policy = Fixed()
    day = seated(SMALL, SEED, policy, "half")
    vertical = build(SMALL).campaigns.vertical
    for v in set(vertical.tolist()):
        seats = [day.seats[int(k)] for k in np.flatnonzero(vertical == v)]
        assert [s is policy for s in seats] == [n % 2 == 0 for n in range(len(seats))]
        assert all(isinstance(s, PID) for s in seats[1::2])
    assert day.held == [k for k, s in day.seats.items() if s is policy]
    assert all(leaver(SMALL, seed) in day.held for seed in range(20))
    assert len({leaver(SMALL, seed) for seed in range(20)}) > 1


def test_a_promotion_doubles_the_budgets_of_7_in_48() -> None:
    whole = Scenario.named("bidding-small")
    assert len(promoted(whole)) == 7
    assert len(promoted(Scenario.named("pacing-small"))) == 4
    raised, plain = Day(SMALL, SEED, True), Day(SMALL, SEED, False)
    is_raised = np.isin(np.arange(14), promoted(SMALL))
    np.testing.assert_allclose(budgets(raised), budgets(plain) * np.where(is_raised, 2.0, 1.0))
    world = raised.played(deal(SMALL, [PID()]))
    given = (world.ledger.left[0] / 1e6) + world.ledger.spend()[0]
    np.testing.assert_allclose(given, budgets(raised), rtol=1e-6)
    assert promoted(SMALL.override({"demand.budget_share": None})) == []


def test_the_ends_of_collusion_are_days_that_were_played() -> None:
    """Truthful bids are 0. The common bid that leaves most is 1: no other common bid leaves more."""
    day = Day(SMALL, SEED, False)
    known, case = references(day), Case(SEED, 0)
    truthful = seated(SMALL, SEED, Truthful(), "alike")
    truthful.run()
    assert MARKET.measure(truthful, case)["colluding"] == 0.0
    surplus = {}
    for halvings in range(20):
        ledger = day.played(deal(SMALL, [Fixed(0.5**halvings, times_prior=False)])).ledger
        surplus[halvings] = float(ledger.value().sum() - ledger.spend().sum()), float(ledger.spend().sum())
    best = max(surplus.values())
    assert known.joint_revenue == best[1] < 0.1 * known.truthful_revenue
    halvings = next(n for n, one in surplus.items() if one == best)
    joint = seated(SMALL, SEED, Fixed(0.5**halvings, times_prior=False), "alike")
    joint.run()
    assert MARKET.measure(joint, case)["colluding"] == 1.0
    mixed = World(SMALL, {"bidding": rivals(SMALL, -1, "mixed")}, seed=SEED)
    mixed.run()
    np.testing.assert_array_equal(known.mixed_value, mixed.ledger.value().sum(axis=0))


def test_the_equilibrium_is_that_of_the_budgets_of_the_day() -> None:
    """Promoted campaigns buy with twice the money there, too: the market earns more, but not twice as much."""
    plain, raised = (references(Day(SMALL, SEED, is_promoted)) for is_promoted in (False, True))
    found = pacing_equilibrium(SMALL, SEED)
    assert (plain.equilibrium_value, plain.equilibrium_revenue) == (found.value.sum(), found.spend.sum())
    assert 1 < raised.equilibrium_revenue / plain.equilibrium_revenue < 2
    more = np.where(np.isin(np.arange(14), promoted(SMALL)), 2.0, 1.0) * build(SMALL).campaigns.budget / 1e6
    again = pacing_equilibrium(SMALL, SEED, budgets=more)
    assert raised.equilibrium_revenue == again.spend.sum() <= more.sum()


def test_who_leaves_has_the_days_best_constant() -> None:
    case = Case(SEED + 2, 0)
    day = MARKET.world(SMALL, case, PID(), "alike", judged=True)
    day.run()
    numbers, k = MARKET.measure(day, case), leaver(SMALL, case.seed)
    best = static_hindsight(SMALL, PID(), k, case.seed, tolerance=0.03)
    assert numbers["leaving"] == best.score
    assert numbers["staying"] == pytest.approx(float(day.world.ledger.value()[:, k].sum()))
    for multiplier in (0.3, 1.0, 3.0):
        other = day.day.played({**day.seats, k: Fixed(multiplier)})
        assert float(other.ledger.value()[:, k].sum()) <= best.score * 1.03


def test_who_answers_a_crowd_as_the_crowd_does_gains_nothing() -> None:
    gained, kept = responses(SMALL, range(SEED, SEED + 3), deal(SMALL, [PID()]), PID())
    np.testing.assert_array_equal(gained, kept)
    more, _ = responses(SMALL, range(SEED, SEED + 3), deal(SMALL, [PID()]), Fixed(0.0))
    assert not more.any()


def test_a_mixture_is_dealt_in_turn() -> None:
    text = "adarena.benchmarks.suites.market_day:Mixture:of=pid/dual:step=0.1/pid"
    made = make_policy("bidding", text)
    assert isinstance(made, Mixture)
    assert describe("bidding", made) == text
    kinds = made.kinds()
    assert [type(kind).__name__ for kind in kinds] == ["PID", "DualMirrorDescent", "PID"]
    assert kinds[0] is kinds[2]
    day = seated(SMALL, SEED, Mixture("mixed"), "promoted")
    there = rivals(SMALL, -1, "mixed")
    assert {k: type(p) for k, p in day.seats.items()} == {k: type(p) for k, p in there.items()}
    assert day.held == list(range(14))
    with pytest.raises(MarketError, match="a mixture bids for all campaigns"):
        seated(SMALL, SEED, Mixture(), "half")
    for text in ("", "agent:out/x", "pid/mymodule:Mine", "pid+dual"):
        with pytest.raises(PolicyError, match="policies of this package between slashes"):
            Mixture(text)


def test_a_market_in_which_nobody_could_leave_is_refused() -> None:
    with pytest.raises(MarketError, match="no steady campaign whose budget binds"):
        MARKET.units(SMALL.override({"demand.budget_share": None}))


def test_crowds_are_compared_on_the_same_days() -> None:
    policies = {"fixed": "fixed", "pid": "pid", "mixed": "adarena.benchmarks.suites.market_day:Mixture"}
    results = measuring.run(MARKET, SMALL, policies, 2, split="validation", mix="alike")
    found = report.estimates(results, "fixed")
    for metric in ("value_over_mixed", "revenue_over_mixed"):
        assert found["mixed"][metric].mean == pytest.approx(1.0, rel=1e-12)
    assert found["mixed"]["gainers"].mean == 0.5
    for label in policies:
        assert all(math.isfinite(estimate.mean) for estimate in found[label].values())
        same_days = results.numbers(label, "mixed_value")
        np.testing.assert_array_equal(same_days, results.numbers("fixed", "mixed_value"))
    best = measuring.play(
        MARKET, SMALL, results.cases[0], Fixed(float(results.yardsticks[0].constant), times_prior=False), "alike"
    )
    assert best.numbers["score"] == results.yardsticks[0].score
    assert report.comparison_table(results, found, "fixed").row_count == 3
