"""The yardsticks: an independent solver for the programme, random markets for the bound, brute force for static hindsight."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from adarena.agents.bidding import PID, POLICIES, Fixed
from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight import bounds
from adarena.agents.hindsight.bounds import clairvoyant_bound, frontier_bound, slot_prices
from adarena.agents.hindsight.knapsack import choice_bound, frontier, frontier_score
from adarena.agents.hindsight.multiplier import static_hindsight
from adarena.agents.hindsight.scores import day_scores
from adarena.agents.objectives import target_score
from adarena.simulator import BidPolicy, MarketError, PolicyError, Scenario, World


def problem(number: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A small problem; a half in small whole numbers, full of ties, zero costs and zero or negative values."""
    dice = np.random.default_rng(number)
    shape = int(dice.integers(1, 9)), int(dice.integers(1, 5))
    if number % 2:
        values, costs = dice.integers(-2, 7, shape).astype(float), dice.integers(0, 5, shape).astype(float)
    else:
        values, costs = dice.normal(1, 1, shape), dice.exponential(1, shape)
    budget = 0.0 if number % 10 == 0 else float(dice.integers(1, 10)) if number % 3 else float(dice.uniform(0, costs.sum()))
    return values, costs, budget


def solved(values: np.ndarray, costs: np.ndarray, budget: float) -> float:
    """The same programme by HiGHS."""
    n, slots = values.shape
    rows = np.vstack([costs.ravel(), np.kron(np.eye(n), np.ones(slots))])
    answer = linprog(-values.ravel(), rows, np.append(budget, np.ones(n)), method="highs")
    assert answer.success
    return float(-answer.fun)


@pytest.mark.parametrize("number", range(100))
def test_choice_bound_is_the_optimum(number: int) -> None:
    values, costs, budget = problem(number)
    assert choice_bound(values, costs, budget) == pytest.approx(solved(values, costs, budget), rel=1e-6, abs=1e-9)


def test_choice_bound_without_a_limit_takes_the_best_of_each_row() -> None:
    values, costs = np.array([[1.0, 3.0], [-1.0, -2.0], [0.5, 0.2]]), np.ones((3, 2))
    assert choice_bound(values, costs, math.inf) == 3.5
    assert choice_bound(np.zeros((0, 2)), np.zeros((0, 2)), 1.0) == 0


@pytest.mark.parametrize(
    ("values", "costs", "budget", "said"),
    [
        ([1.0], [1.0], 1.0, "shape"),
        ([[1.0, 2.0]], [[1.0]], 1.0, "shape"),
        ([[math.nan]], [[1.0]], 1.0, "finite"),
        ([[1.0]], [[-1.0]], 1.0, "from 0 up"),
        ([[1.0]], [[1.0]], -1.0, "budget"),
        ([[1.0]], [[1.0]], math.nan, "budget"),
    ],
)
def test_choice_bound_refuses_what_is_no_problem(values: Any, costs: Any, budget: float, said: str) -> None:
    with pytest.raises(MarketError, match=said):
        choice_bound(values, costs, budget)


@pytest.mark.parametrize("number", range(30))
def test_the_frontier_of_spend_is_the_bound_at_each_budget(number: int) -> None:
    values, costs, _ = problem(number)
    spend, value = frontier(values, costs)
    for budget in np.append(np.linspace(0, costs.sum(), 23), spend):
        assert np.interp(budget, spend, value) == pytest.approx(solved(values, costs, budget), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("number", range(60))
def test_the_frontier_score_is_the_best_over_all_spends(number: int) -> None:
    """By brute force over spends: nowhere exceeded, and reached but for the width of the grid."""
    values, costs, budget = problem(number)
    worth = (0.2, 1.0, 3.0)[number % 3]
    found = frontier_score(values, costs, budget, "target_cpa", worth)
    spends = np.linspace(0, min(budget, costs.sum()), 400)
    scores = [float(target_score(choice_bound(values, costs, spend), spend, worth)) for spend in spends]
    assert max(scores) <= found * (1 + 1e-6) + 1e-9
    assert found == pytest.approx(max(scores), rel=0.02, abs=1e-9)
    dice = np.random.default_rng(number)
    for _ in range(200):  # whole allocations, of any spend
        chosen = np.where(dice.random(len(values)) < dice.random(), dice.integers(values.shape[1], size=len(values)), -1)
        rows = np.flatnonzero(chosen >= 0)
        value, cost = values[rows, chosen[rows]].sum(), costs[rows, chosen[rows]].sum()
        if cost <= budget and value > 0:
            assert float(target_score(value, cost, worth)) <= found * (1 + 1e-9)


def test_the_soft_score_is_that_of_the_competition() -> None:
    # 10 conversions for 500 at a limit of 40: the limit was exceeded by a quarter, (40 / 50)^2 of 10 remain.
    assert float(target_score(10.0, 500.0, 40.0)) == pytest.approx(6.4)
    assert target_score([0.0, 0.0, 3.0, 10.0], [5.0, 0.0, 0.0, 400.0], 40.0).tolist() == [0, 0, 3, 10]


def test_a_worth_of_spend_is_above_0() -> None:
    for worth in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(MarketError, match="worth of spend"):
            frontier_score([[1.0]], [[1.0]], 1.0, "target_cpa", worth)


def random_market(number: int) -> tuple[Scenario, dict[int | str, BidPolicy], int]:
    """A small market of any pricing and billing, any bidders for its five campaigns, and the campaign to record."""
    dice = np.random.default_rng([number, 1])
    billing = ("cpm", "cpc")[number % 2]
    scenario = Scenario.preset("tiny").override(
        {
            "days": 1 + number % 3 // 2,
            "ticks_per_day": 6,
            "traffic.requests_per_day": int(dice.integers(100, 900)),
            "users.count": 60,
            "market_seed": int(dice.integers(20)),
            "demand.campaigns": 5,
            "demand.billing": billing,
            "demand.budget_share": None if number % 7 == 0 else float(dice.uniform(0.02, 0.8)),
            "auction.pricing": str(dice.choice(["first", "second", "gsp", "vcg"])),
            "auction.slots": int(dice.integers(1, 4)),
            "auction.squashing": float(dice.choice([0.5, 1.0, 1.0, 1.3])),
            "auction.exposure_draws": str(dice.choice(["cascade", "repeated"])),
            "auction.reserve": float(dice.choice([1e-6, 1e-3, 0.05])),
            "rates.belief_noise": float(dice.choice([0.0, 0.3])),
        }
    )
    if number % 3 == 0 and scenario.demand.budget_share is not None:
        share = float(dice.uniform(0.5, 1.2))
        scenario = scenario.override({"demand.objective": "target_cpa", "demand.target_cpa_share": share})
    elif number % 3 == 1:
        wanted = {
            "demand.objective": ("utility", "target_roas")[number // 3 % 2],
            "demand.target_roas": float(dice.uniform(0.5, 9)),
        }
        scenario = scenario.override(wanted)
    names = sorted(POLICIES)
    policies: dict[int | str, BidPolicy] = {k: make_policy("bidding", names[int(dice.integers(len(names)))]) for k in range(5)}
    policies[0] = make_policy("bidding", names[number % len(names)])  # each of them ten times at least
    return scenario, policies, int(dice.integers(5))


def meddle(world: World, campaign: int, number: int) -> Any:
    """A user's process: money comes or goes in the middle of a tick, a campaign pauses."""
    dice = np.random.default_rng([number, 2])
    yield world.env.timeout(int(dice.integers(world.scenario.day_us)))
    world.top_up(campaign, float(dice.uniform(0, 20)))
    yield world.env.timeout(int(dice.integers(world.scenario.day_us // 4)))
    world.set_budget(campaign, float(dice.uniform(0, 20)))
    world.pause((campaign + 1) % 5)


def test_no_run_exceeds_the_bound_of_its_own_record(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, beaten_if_dearer, scores, missed, below = [], 0, [], 0, 0
    for number in range(100):
        scenario, policies, held = random_market(number)
        world = World(scenario, {"bidding": policies}, seed=number, record=held)
        if number % 4 == 0:
            world.process(meddle(world, held, number))
        world.run()
        value, bound = world.ledger.value()[:, held].sum(), clairvoyant_bound(world)
        assert value <= bound * (1 + 1e-9), number
        worth = (1.0, 0.3, 0.1, 0.03)[number // 2 % 4]
        score, best = day_scores(world, held, "target_cpa", worth).sum(), frontier_bound(world, "target_cpa", worth)
        assert score <= best * (1 + 1e-9), number
        assert best <= bound * (1 + 1e-9), number
        own, most = day_scores(world, held).sum(), frontier_bound(world)
        assert own <= most + 1e-9 * abs(bound), number
        below += own < most - 1e-9 * abs(bound) and world.campaigns.listed[held].objective != "max_value"
        missed += score < 0.999 * value
        with monkeypatch.context() as patch:
            patch.setattr(bounds, "ROUNDING", 1.25)
            beaten_if_dearer += value > clairvoyant_bound(world)
        # Under CPC impressions known not to be clicked are free, and without a budget everything is: there the bound is far.
        if number % 2 == 0 and number % 7:
            shares.append(value / bound)
            scores.append(score / best)
    # A bound that holds because it is far away would be worth nothing: with prices a quarter up, this one would not hold.
    assert np.median(shares) > 0.6
    assert beaten_if_dearer > 0
    # Many runs miss their target, and some come close to the best that can be done about it.
    assert missed > 25
    assert max(scores) > 0.9


@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
def test_who_may_spend_anything_and_bids_enough_reaches_the_bound(pricing: str) -> None:
    scenario = Scenario.preset("tiny").override({"demand.budget_share": None, "auction.pricing": pricing})
    world = World(scenario, {"bidding": {2: Fixed(1e6)}}, seed=4, record=2)
    world.run()
    assert clairvoyant_bound(world) == pytest.approx(world.ledger.value()[:, 2].sum(), rel=1e-12)


def test_requests_that_nobody_answers_do_not_shift_the_record() -> None:
    """Where half of the requests leave their queue, a day's record is of those that were auctioned on it."""
    serving = {"servers": 1, "service_s": 40.0, "deadline_s": 100.0}
    scenario = Scenario.preset("tiny").override({"days": 2, "demand.budget_share": None, "serving": serving})
    world = World(scenario, {"bidding": {2: Fixed(1e6)}}, seed=4, record=2)
    world.run()
    assert world.ledger.requests().sum() < 0.6 * world.played
    assert clairvoyant_bound(world) == pytest.approx(world.ledger.value()[:, 2].sum(), rel=1e-12)


@pytest.mark.parametrize("pricing", ["second", "gsp", "vcg"])
def test_prices_of_slots_are_what_the_market_charged(pricing: str, tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny").override(
        {"auction.slots": 3, "auction.pricing": pricing, "auction.squashing": 0.5, "demand.budget_share": None,
         "traffic.requests_per_day": 4_000}
    )  # fmt: skip
    world = World(scenario, seed=0, journal=tmp_path, record=1)
    world.run()
    shown = pd.read_parquet(tmp_path / "impressions.parquet")
    shown = shown[shown["campaign"] == 1]
    noted = world.recorded()
    price = np.maximum(slot_prices(noted.rivals, scenario.auction), scenario.auction.reserve * 1e6)
    row = np.searchsorted(noted.request, shown["request"])
    assert len(shown) > 200
    assert np.abs(price[row, shown["slot"]] - shown["price"] * 1e6).max() <= 1.001


def test_a_top_up_is_money_that_was_really_there() -> None:
    """Against rivals that do not react, a top-up in mid-tick and a budget that large to begin with have the same bound."""
    rivals: dict[int | str, BidPolicy] = {k: Fixed() for k in range(1, 6)}
    scenario = Scenario.preset("tiny").override({"demand.budget_share": None})

    def bound(budget: float, extra: float) -> float:
        world = World(scenario, {"bidding": rivals | {0: Fixed()}}, seed=2, record=0)
        world.set_budget(0, budget)
        world.run(1)
        world.set_budget(0, budget)

        def later() -> Any:
            yield world.env.timeout(scenario.tick_us * 5 // 2)
            world.top_up(0, extra)

        world.process(later())
        world.run()
        return clairvoyant_bound(world)

    assert bound(4.0, 2.0) == pytest.approx(bound(6.0, 0.0), rel=1e-12)
    assert bound(4.0, 0.0) < bound(6.0, 0.0)


def test_days_have_budgets_of_their_own() -> None:
    """With money that cannot be moved from one day to the next, two days are worth what each is worth."""
    scenario = Scenario.preset("tiny").override({"days": 2})
    world = World(scenario, seed=6, record=0)
    world.run(scenario.day_us)
    first = clairvoyant_bound(world)
    world.run()
    both = clairvoyant_bound(world)
    noted, split = world.recorded(), int(world.ledger.requests()[:24].sum())
    price = np.maximum(slot_prices(noted.rivals, scenario.auction), 100.0)
    seen = np.arange(2) < noted.slots_seen[:, None]
    values, costs = np.where(seen, noted.value[:, None], 0), np.where(seen, np.floor(price), 0)
    budget = float(world.campaigns.budget[0])
    days = [solved_large(values[rows], costs[rows], budget) for rows in (slice(split), slice(split, None))]
    assert first == pytest.approx(days[0], rel=1e-3)
    assert both == pytest.approx(sum(days), rel=1e-3)
    assert both < solved_large(values, costs, 2 * budget)


def solved_large(values: np.ndarray, costs: np.ndarray, budget: float) -> float:
    """The optimum by its dual: the least of budget x price + what options bring over their cost at that price."""
    prices = np.geomspace(1e-9, 1e-3, 4001)
    return float(min(budget * p + np.maximum((values - p * costs).max(axis=1), 0).sum() for p in prices))


def test_a_bound_needs_a_record_and_charges_that_post_in_time() -> None:
    world = World(Scenario.preset("tiny"), seed=0)
    with pytest.raises(MarketError, match="no campaign is recorded"):
        clairvoyant_bound(world)
    world = World(Scenario.preset("tiny").override({"demand.billing": "cpa"}), seed=0, record=0)
    with pytest.raises(MarketError, match="billed by conversion"):
        clairvoyant_bound(world)


def value_at(scenario: Scenario, multiplier: float, campaign: int, seed: int) -> tuple[float, float]:
    """Value and spend of a constant multiplier against PID rivals."""
    rivals: dict[int | str, BidPolicy] = {k: PID() for k in range(6) if k != campaign}
    world = World(scenario, {"bidding": rivals | {campaign: Fixed(multiplier, times_prior=False)}}, seed=seed)
    world.run()
    return float(world.ledger.value()[:, campaign].sum()), float(world.ledger.spend()[:, campaign].sum())


@pytest.mark.parametrize(("campaign", "seed"), [(0, 1), (3, 2)])
def test_static_hindsight_is_the_best_constant(campaign: int, seed: int) -> None:
    # With the 2,000 requests of `tiny`, luck makes value over multiplier ragged by more than the 1% asked for here.
    scenario = Scenario.preset("tiny").override({"traffic.requests_per_day": 20_000})
    rivals: dict[int | str, BidPolicy] = {k: PID() for k in range(6) if k != campaign}
    found = static_hindsight(scenario, rivals, campaign, seed)
    assert (found.value, found.spend) == value_at(scenario, found.multiplier, campaign, seed)
    prior = World(scenario).campaigns.prior[campaign]
    coarse = max(value_at(scenario, prior * 2**x, campaign, seed)[0] for x in np.linspace(-2, 2, 9))
    fine = max(value_at(scenario, prior * x, campaign, seed)[0] for x in np.geomspace(0.2, 5, 160))
    assert found.value >= coarse
    assert found.value >= 0.99 * fine


def test_static_hindsight_goes_as_far_as_it_pays() -> None:
    """Without a budget more is always better, so the search leaves its first range and wins everything."""
    scenario = Scenario.preset("tiny").override({"demand.budget_share": None})
    found = static_hindsight(scenario, None, 0, 0)
    world = World(scenario, {"bidding": {0: Fixed(found.multiplier, times_prior=False)}}, seed=0, record=0)
    world.run()
    assert found.multiplier > 2.6
    assert found.value == pytest.approx(clairvoyant_bound(world), rel=1e-12)


def test_rivals_may_be_given_in_any_form() -> None:
    scenario = Scenario.preset("tiny")
    name = World(scenario).campaigns.names[2]
    one = static_hindsight(scenario, {k: PID() for k in range(6)}, 2, 0)
    assert static_hindsight(scenario, lambda: PID(), name, 0) == one
    assert static_hindsight(scenario, PID(), 2, 0) == one


def test_static_hindsight_says_what_it_cannot_use() -> None:
    scenario = Scenario.preset("tiny")
    with pytest.raises(MarketError, match="no campaign 'c9'"):
        static_hindsight(scenario, None, "c9", 0)
    with pytest.raises(MarketError, match="tolerance"):
        static_hindsight(scenario, None, 0, 0, tolerance=0.0)
    with pytest.raises(PolicyError, match="a policy or a mapping"):
        static_hindsight(scenario, [PID()], 0, 0)  # type: ignore[arg-type]
