"""Policies that plan for all campaigns at once, and the equilibria they play: against theory and an independent solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from markets import CALM
from scipy.optimize import minimize
from views import DICE, told
from views import view as bid_view

from adarena.agents.catalogue import make_policy
from adarena.agents.pacing.equilibrium import equilibrium
from adarena.agents.pacing.factors import LEAST
from adarena.agents.pacing.first_price import FirstPrice, eisenberg_gale
from adarena.agents.pacing.joint_mpc import JointMPC
from adarena.agents.pacing.plan import MorningPlan
from adarena.simulator import Open, Scenario, World
from adarena.simulator.core.arrays import Floats
from adarena.simulator.core.money import MICRO
from adarena.simulator.market.market import build
from adarena.simulator.market.rehearsal import rehearsal
from adarena.simulator.seats.pacing.decisions import Pace, PacingPolicy
from adarena.simulator.seats.pacing.view import PacingView

SMALL = Scenario.preset("pacing-small").override({"demand.campaigns": 12, "traffic.requests_per_day": 10_000})
FIRST = SMALL.override({"auction.pricing": "first"})


class Play:
    """The first look at a day, at all campaigns or some."""

    def __init__(self, scenario: Scenario, held: list[int] | None = None) -> None:
        self.world = World(scenario, {"pacing": Open() if held is None else dict.fromkeys(held, Open())}, seed=0)
        self.world.until_asked()
        self.view: PacingView = self.world.look("pacing")


def with_budgets(scenario: Scenario, *per_request: float | None) -> Scenario:
    """The market of auction theory, whose bidders have so much to spend on a request."""
    tree = scenario.model_dump(mode="json")
    requests = scenario.traffic.requests_per_day
    for advertiser, rho in zip(tree["demand"]["advertisers"], per_request, strict=True):
        advertiser["campaigns"][0]["budget_per_day"] = None if rho is None else rho * requests
    return Scenario.from_tree(tree)


UNIFORM = Scenario.preset("uniform", bidders=2, requests=4_000)


@pytest.mark.parametrize(
    ("pricing", "budgets", "factors"),
    [
        # The winner of a second-price auction against U[0, 1] spends m^2 / 6 a request; both at m spend m / 6 each.
        ("second", (1 / 24, None), (1 / 2, 1)),
        ("second", (1 / 54, None), (1 / 3, 1)),
        ("second", (1 / 12, 1 / 12), (1 / 2, 1 / 2)),
        ("second", (1 / 24, 0.7), (1 / 2, 1)),
        # In first price m^2 / 3 and m / 3.
        ("first", (1 / 12, None), (1 / 2, 1)),
        ("first", (1 / 9, 1 / 9), (1 / 3, 1 / 3)),
        ("first", (0.5, 0.5), (1, 1)),
    ],
)
def test_equilibria_of_auction_theory(pricing: str, budgets: tuple[float | None, ...], factors: tuple[float, ...]) -> None:
    """A sample of 8,192 values: spend has a standard error of a per cent, its root of half as much."""
    scenario = with_budgets(UNIFORM.override({"auction.pricing": pricing}), *budgets)
    view = Play(scenario).view
    found = MorningPlan(size=8192, rounds=100).decide(view)
    assert found is not None
    assert found.factor == pytest.approx(factors, rel=0.03)
    if pricing == "first":
        other = FirstPrice(size=8192, rounds=400).decide(view)
        assert other is not None
        assert other.factor == pytest.approx(found.factor, rel=0.005)


@pytest.mark.parametrize("scenario", [SMALL, FIRST], ids=["gsp", "first"])
def test_a_pacing_equilibrium_is_complementary(scenario: Scenario) -> None:
    """On the sample a campaign spends what is wanted of it, or has the factor 1; and from any start the same."""
    view = Play(scenario).view
    requests = view.rehearsal.from_tick(0, 2048)
    wanted = view.told.budget / view.told.forecast_requests
    starts = [np.ones(12), np.full(12, 0.1), DICE.uniform(0.05, 1.0, 12)]
    found = [equilibrium(view, requests, wanted, start, 200) for start in starts]
    for factor in found:
        spend = requests.outcome(factor * view.bid).spend
        paced = factor < 1 - 1e-9
        assert 4 <= paced.sum() <= 11
        assert spend[paced] == pytest.approx(wanted[paced], rel=0.02)
        assert (spend[~paced] <= wanted[~paced] * 1.001).all()
        assert factor == pytest.approx(found[0], rel=0.03)


def test_some_campaigns_are_planned_for_among_what_the_others_bid() -> None:
    """With the others at the equilibrium of all, the equilibrium of some is theirs in it."""
    whole = Play(SMALL).view
    requests, wanted = whole.rehearsal.from_tick(0, 2048), whole.told.budget / whole.told.forecast_requests
    factor = equilibrium(whole, requests, wanted, np.ones(12), 300)
    held = [7, 2, 10]
    some = Play(SMALL, held).view
    assert some.places.tolist() == held
    others = factor * whole.bid
    others[held] = 0
    found = equilibrium(some._replace(others=others), requests, wanted[held], np.full(3, 0.5), 300)
    assert found == pytest.approx(factor[held], rel=0.02)
    alone = equilibrium(some._replace(others=np.zeros(12)), requests, wanted[held], np.full(3, 0.5), 300)
    assert (np.abs(np.log(alone / found)) > 0.1).all()  # which it would not be without them


class Goods(NamedTuple):
    """A market of divisible goods: what buyers would bid for requests, (K, n), the exposure of slots, (S,), budgets, (K,)."""

    bid: Floats
    exposure: Floats
    budget: Floats

    def won(self, factor: Floats) -> Floats:
        """What buyers win at these factors, (K,)."""
        order = np.argsort(-factor[:, None] * self.bid, axis=0, kind="stable")[: self.exposure.size]
        worth = np.take_along_axis(self.bid, order, axis=0) * self.exposure[:, None]
        return np.bincount(order.ravel(), worth.ravel(), minlength=factor.size)

    def dual(self, factor: Floats) -> float:
        """The objective of the convex programme whose minimum is the equilibrium."""
        return float(factor @ self.won(factor) - self.budget @ np.log(factor))

    def primal(self) -> tuple[float, Floats]:
        """The greatest sum of B log u - d over allocations x of slots to buyers, u = b x + d, by a general solver, and u.

        Less the constant by which the two programmes differ, so that the optimum is that of the dual.
        """
        buyers, requests = self.bid.shape
        slots = self.exposure.size
        worth = np.einsum("kn,s->kns", self.bid, self.exposure).reshape(buyers, -1)
        size = buyers * requests * slots

        def utility(z: Floats) -> Floats:
            return (worth * z[:size].reshape(buyers, -1)).sum(axis=1) + z[size:]

        def loss(z: Floats) -> tuple[float, Floats]:
            u = utility(z)
            slope = np.concatenate([((self.budget / u)[:, None] * worth).ravel(), self.budget / u - 1])
            return float(z[size:].sum() - self.budget @ np.log(u)), -slope

        each = np.arange(size).reshape(buyers, requests, slots)
        rows = [each[:, n, s] for n in range(requests) for s in range(slots)]  # a slot is sold once
        rows += [each[k, n, :] for k in range(buyers) for n in range(requests)]  # and nobody has two of a request
        matrix = np.zeros((len(rows), size + buyers))
        for row, places in zip(matrix, rows, strict=True):
            row[places] = 1
        limits = {"type": "ineq", "fun": lambda z: 1 - matrix @ z, "jac": lambda z: -matrix}
        start = np.concatenate([np.full(size, 0.5 / max(buyers, slots)), self.budget])
        found = minimize(
            loss, start, jac=True, bounds=[(0, 1)] * size + [(0, None)] * buyers, constraints=limits, method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-10},
        )  # fmt: skip
        assert found.success
        money = self.budget
        return float(-found.fun - (money * np.log(money) - money).sum()), utility(found.x)


def goods(seed: int, exposure: tuple[float, ...] = (1.0, 0.6)) -> Goods:
    """Three buyers of six requests of two slots, one of whom has more money than it can spend."""
    dice = np.random.default_rng(seed)
    bid = np.exp(dice.normal(size=(3, 6)))
    return Goods(bid, np.array(exposure), np.array([0.15, 0.3, 3.0]) * bid.sum(axis=1))


@pytest.mark.parametrize("seed", range(2))
def test_the_convex_programme_is_solved_as_a_general_solver_does(seed: int) -> None:
    """Primal and dual have the same optimum, at factors of budget over utility: at most 1, and unique."""
    market = goods(seed)
    best, utility = market.primal()
    for start in (np.ones(3), np.array([0.01, 1.0, 0.5])):
        factor = eisenberg_gale(market.won, market.budget, start, 4000)
        assert market.dual(factor) == pytest.approx(best, rel=2e-4)
        assert factor == pytest.approx(market.budget / utility, rel=0.01)
        assert factor[2] == pytest.approx(1, abs=1e-3)
        assert factor.max() <= 1


def test_one_good_that_two_buyers_want_is_shared() -> None:
    """A wants it at 2 and has half of what it costs, B at 1 and has no limit: A bids half, the price is 1, A gets half."""
    market = Goods(np.array([[2.0] * 10, [1.0] * 10]), np.ones(1), np.array([5.0, np.inf]))
    for rounds, error in ((200, 0.02), (4000, 0.001)):
        assert eisenberg_gale(market.won, market.budget, np.ones(2), rounds) == pytest.approx([0.5, 1], abs=error)
    without = eisenberg_gale(market.won, np.array([5.0, 0.0]), np.ones(2), 4000)
    assert without == pytest.approx([0.25, 0], abs=0.001)  # B is not there: A spends its money on all ten


@pytest.mark.parametrize("seed", range(4))
def test_revenue_in_first_price_never_falls_with_a_budget_or_a_buyer(seed: int) -> None:
    """Theorems of Conitzer et al. (2022); revenue is the sum of what buyers spend, budgets where the factor is below 1."""
    dice = np.random.default_rng(seed)
    bid = np.exp(dice.normal(size=(5, 400)))
    budget = np.array([0.02, 0.04, 0.05, 0.1, 0.1]) * bid.sum(axis=1)

    def revenue(money: Floats) -> float:
        market = Goods(bid, np.array([1.0, 0.5]), money)
        factor = eisenberg_gale(market.won, money, np.full(5, 0.5), 1000)
        return float(np.where(factor < 0.999, money, factor * market.won(factor)).sum())

    base = revenue(budget)
    for k in range(5):
        more, fewer = budget.copy(), budget.copy()
        more[k], fewer[k] = 1.5 * budget[k], 0.0
        assert revenue(more) >= base * 0.995
        assert revenue(fewer) <= base * 1.005


def test_the_prior_of_a_first_price_market_is_its_convex_programme() -> None:
    """Drawn priors are the equilibrium of an expected day, found there by tatonnement over the same sample, within [.01, 1]."""
    table, requests = build(FIRST).campaigns, rehearsal(FIRST)
    target = np.asarray(table.target)

    def won(factor: Floats) -> Floats:
        return FIRST.expected_requests * target * requests.outcome(factor * target).conversions

    factor = eisenberg_gale(won, table.budget / MICRO, np.full(12, 0.5), 400)
    assert (factor < 0.9).sum() >= 4
    assert factor == pytest.approx(table.prior, rel=0.01)


class Squares:
    """A stand-in for a rehearsal: whatever the others do, a request costs a campaign its scale x bid^2."""

    def __init__(self, scale: Floats, seen: list[tuple[str, int, Floats]]) -> None:
        self.scale, self.seen = scale, seen

    def from_tick(self, tick: int, most: int) -> Any:
        return Asked(self, "rest", tick)

    def of_tick(self, tick: int, most: int) -> Any:
        return Asked(self, "one", tick)


class Asked:
    """Requests of such a stand-in."""

    def __init__(self, all_of_them: Squares, which: str, tick: int) -> None:
        self.all, self.which, self.tick = all_of_them, which, tick

    def outcome(self, bid: Floats) -> Any:
        self.all.seen.append((self.which, self.tick, bid))
        cost = self.all.scale * bid**2
        return type("Outcome", (), {"spend": cost, "conversions": cost})


def seen_by(squares: Squares, factor: Any = 1.0, **changes: Any) -> PacingView:
    """Campaigns 2 and 0 of three are held, that bid their targets 50 and 20; the other bids 7."""
    told_to = bid_view(**changes)
    rest: Any = squares
    others, usual = np.array([0.0, 7.0, 0.0]), np.array([20.0, 9.0, 50.0])
    bid = told_to.multiplier * told_to.target
    return PacingView(told_to, bid, np.full(2, factor), np.ones(2), np.array([2, 0]), others, usual, rest)


def decided(policy: PacingPolicy, *seen: PacingView) -> Floats:
    """The factors of the last decision on seeing some views."""
    policy.start(seen[0], DICE)
    for one in seen:
        decision = policy.decide(one)
    assert isinstance(decision, Pace)
    return np.asarray(decision.factor)


def test_joint_mpc_by_hand() -> None:
    """Wanted: 100 and 200 for 1,000 requests; then 40 and 60 for 300, the first having cost twice what was planned."""
    asked: list[tuple[str, int, Floats]] = []
    squares = Squares(np.array([0.002, 1.0, 0.001]), asked)
    bid, scale = np.array([50.0, 20.0]), np.array([0.001, 0.002])
    policy = JointMPC(rounds=60, confidence=1e9, gain=0.5, forget=0.8)
    first = np.sqrt(np.array([0.1, 0.2]) / scale) / bid
    assert decided(policy, seen_by(squares)) == pytest.approx(first, rel=1e-3)
    assert len(asked) == 4 * 60
    assert all(which == "rest" and tick == 0 and bids[1] == 7 for which, tick, bids in asked)
    cost = scale * (first * bid) ** 2 * 700
    after = seen_by(
        squares, first, tick=1, budget_left=np.array([40.0, 60.0]), last=told(cost * np.array([2, 1]), requests=700)
    )
    over = np.array([0.2 * math.log(2), 0])
    wanted = np.array([40, 60]) / 300 * np.exp(-0.5 * over)
    asked.clear()
    assert decided(policy, seen_by(squares), after) == pytest.approx(np.sqrt(wanted / scale) / bid, rel=1e-3)
    assert len(asked) == 4 * 60 + 60 + 1
    (compared,) = [one for one in asked if one[0] == "one"]
    assert compared[1] == 0
    assert compared[2] == pytest.approx(np.array([20 * first[1], 7, 50 * first[0]]))
    # What counts is the factor in force, whoever decided it: at 1 / 1.2 of it, 1 / 1.44 was to be spent.
    lower = after._replace(factor=first / 1.2)
    over = 0.2 * np.log([2 * 1.44, 1.44])
    wanted = np.array([40, 60]) / 300 * np.exp(-0.5 * over)
    assert decided(policy, seen_by(squares), lower) == pytest.approx(np.sqrt(wanted / scale) / bid, rel=1e-3)
    # And so does what a campaign bids itself, which is what the factor is of.
    own = np.array([0.8, 0.5])
    modest = after._replace(told=after.told._replace(multiplier=own), bid=own * bid, factor=first / own)
    over = np.array([0.2 * math.log(2), 0])
    wanted = np.array([40, 60]) / 300 * np.exp(-0.5 * over)
    assert decided(policy, seen_by(squares), modest) == pytest.approx(np.sqrt(wanted / scale) / (own * bid), rel=1e-3)


@pytest.mark.parametrize("away", [{"could_bid": np.zeros(2, np.bool_)}, {"budget": np.array([1e5, 1e5])}])
def test_joint_mpc_learns_from_campaigns_that_are_there_and_have_money(away: dict[str, Any]) -> None:
    """Of 40 and 60 left, or of a hundred thousand: the plan is as if nothing were known of the last tick."""
    squares, bid = Squares(np.array([0.002, 1.0, 0.001]), []), np.array([50.0, 20.0])
    policy = JointMPC(rounds=60, confidence=1e9)
    after = seen_by(squares, tick=1, budget_left=np.array([40.0, 60.0]), last=told([30.0, 30.0], requests=700), **away)
    expected = np.sqrt(np.array([40, 60]) / 300 / np.array([0.001, 0.002])) / bid
    assert decided(policy, seen_by(squares), after) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", [JointMPC, MorningPlan, FirstPrice])
def test_joint_plans_leave_out_who_is_not_there(kind: Callable[[], PacingPolicy]) -> None:
    """Campaigns that are paused or have no money bid nothing in the plan, and keep the factor of an even day."""
    asked: list[tuple[str, int, Floats]] = []
    squares = Squares(np.array([0.002, 1.0, 0.001]), asked)
    paused = seen_by(squares, active=np.array([True, False]))
    factor = decided(kind(), paused)
    assert all(bids[0] == 0 < bids[2] for _, _, bids in asked)
    assert factor[1] == 0.25
    asked.clear()
    broke = seen_by(squares, budget_left=np.array([0.0, 200.0]))
    assert LEAST <= decided(kind(), broke)[0] <= 1
    assert all(bids[2] == 0 < bids[0] for _, _, bids in asked)
    asked.clear()
    by_request = seen_by(squares, multiplier=np.array([np.nan, 1.0]))
    assert decided(kind(), by_request) == pytest.approx(decided(kind(), seen_by(squares)))
    endless = seen_by(squares, budget=np.full(2, np.inf), budget_left=np.full(2, np.inf))
    assert decided(kind(), endless).tolist() == [1, 1]
    assert equilibrium(endless, squares.from_tick(0, 64), np.full(2, np.inf), np.full(2, 0.5), 1).tolist() == [1, 1]


def test_plans_are_made_in_the_morning() -> None:
    squares = Squares(np.array([0.002, 1.0, 0.001]), [])
    for policy in (MorningPlan(), FirstPrice()):
        assert isinstance(policy.decide(seen_by(squares)), Pace)
        assert policy.decide(seen_by(squares, tick=1)) is None
        assert isinstance(policy.decide(seen_by(squares, day=1)), Pace)
    assert decided(MorningPlan(), seen_by(squares)) == pytest.approx(decided(JointMPC(rounds=10), seen_by(squares)), rel=1e-6)


@pytest.mark.parametrize("pricing", ["gsp", "first"])
def test_on_an_even_day_joint_mpc_spends_budgets_or_lowers_nothing(pricing: str) -> None:
    even = SMALL.override({**CALM, "traffic.arrivals": "even", "auction.pricing": pricing})
    world = World(even, {"pacing": JointMPC()}, seed=0)
    world.run()
    spent = world.ledger.spend().sum(axis=0) / (world.campaigns.budget / MICRO)
    lowered = world.ledger.pace.mean(axis=0) < 0.97
    assert lowered.sum() >= 4
    assert spent[lowered] == pytest.approx(1, abs=0.03)
    before = np.cumsum(world.ledger.spend(), axis=0)[-2] / (world.campaigns.budget / MICRO)
    assert (before < 0.995).all()  # nobody is broke before the last hour


def test_planning_together_beats_planning_apart() -> None:
    """Value over MPC's / 2 + revenue over MPC's / 2, of 8 days of `pacing-small`: joint MPC above it, constants far below."""
    scenario = Scenario.preset("pacing-small")
    books = {}
    for name in ("mpc", "joint_mpc", "prior", "constant"):
        worlds = [World(scenario, {"pacing": make_policy("pacing", name)}, seed=day) for day in range(8)]
        for world in worlds:
            world.run()
        books[name] = np.array([[w.ledger.value().sum(), w.ledger.spend().sum()] for w in worlds])
    score = {name: float((book / books["mpc"]).mean()) for name, book in books.items()}
    assert score["joint_mpc"] > 1.01
    assert score["prior"] < 0.97
    assert score["constant"] < 0.94
