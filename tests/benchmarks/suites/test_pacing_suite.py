"""The pacing suite: its score against the equilibrium, its numbers by hand and from the books, and who bids in its mixes."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.pacing import Follows, equilibrium_of
from adarena.agents.hindsight.pacing_day import Watched
from adarena.benchmarks.comparison import measuring, report
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.suites.pacing import BIDDERS, FACTORS, OWN, PACING, SCALES
from adarena.benchmarks.suites.pacing_numbers import envy, exhausted, nash_welfare, unevenness
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.money import MICRO
from adarena.simulator.market.market import build

PRESET = Scenario.preset("pacing-small")
SMALL = PRESET.override({"traffic.requests_per_day": 3_000, "demand.campaigns": 12, "users.count": 1_000})
CASE = Case(3, 0)


def measured(policy: object, scenario: Scenario = SMALL, mix: str = "truthful") -> dict[str, float]:
    """All numbers of a policy on a day."""
    run = measuring.play(PACING, scenario, CASE, policy, mix)
    return {**run.numbers, **PACING.knowing(scenario, CASE)}


# The score.


def test_the_equilibrium_scores_one() -> None:
    numbers = measured(Follows(equilibrium_of(SMALL, CASE.seed).factor))
    assert numbers["score"] == pytest.approx(1, rel=1e-12)
    assert numbers["value"] == pytest.approx(numbers["equilibrium_value"])
    assert numbers["revenue"] == pytest.approx(numbers["equilibrium_revenue"])
    assert numbers["equilibrium_slack"] < 0.015
    assert (numbers["gini"], numbers["nash"]) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert numbers["exhausted"] < 0.05


@pytest.mark.parametrize("name", ["none", "uniform", "mpc", "joint_mpc"])
def test_the_score_weighs_value_and_revenue_alike_and_keeps_below_the_bound(name: str) -> None:
    numbers = measured(make_policy("pacing", name))
    best = equilibrium_of(SMALL, CASE.seed)
    assert numbers["score"] == pytest.approx(
        0.5 * numbers["value"] / best.value.sum() + 0.5 * numbers["revenue"] / best.spend.sum()
    )
    assert 0.3 < numbers["score"] < numbers["bound"]


def test_pacing_after_each_campaigns_needs_is_better_than_none_or_one_for_all() -> None:
    """On the market of the suite, mean over days."""

    def mean(name: str) -> float:
        policy, days = make_policy("pacing", name), [Case(day, 0) for day in range(8)]
        return float(np.mean([measuring.attempt(PACING, PRESET, day, policy, "truthful").score for day in days]))

    scores = {name: mean(name) for name in ("none", "constant", "mpc", "joint_mpc")}
    assert scores["joint_mpc"] > scores["mpc"] > max(scores["none"], scores["constant"]) + 0.04
    assert scores["joint_mpc"] < 1


def test_static_hindsight_is_the_best_of_its_constants() -> None:
    constants = PACING.constants(SMALL, CASE)
    assert len(constants) == len(FACTORS) + len(SCALES)
    assert max(FACTORS) == 1
    best = measuring.hindsight(PACING, SMALL, CASE, "truthful")
    scores = [measuring.attempt(PACING, SMALL, CASE, policy, "truthful").score for policy in constants]
    assert best.score == max(scores)
    again = measuring.attempt(PACING, SMALL, CASE, make_policy("pacing", str(best.constant)), "truthful")
    assert again.score == best.score


# Numbers by hand.


def test_money_that_ends_at_noon_is_gone_for_the_rest_of_the_requests() -> None:
    spend = np.array([[5.0, 1, 0, 2.495], [5, 1, 0, 2.495], [0, 1, 0, 2.495], [0, 1, 0, 2.495]])
    requests, budget = np.array([10.0, 20, 30, 40]), np.array([10.0, 10, 10, 10])
    # The second has money left, the third never spent any; the last runs out as the day ends, which costs nothing.
    assert exhausted(spend, requests, budget) == pytest.approx([0.7, 0, 0, 0])
    assert exhausted(spend * [1, 3, 1, 4 / 3], requests, budget) == pytest.approx([0.7, 0, 0, 0.4])


def test_spend_that_follows_requests_is_even_whatever_it_comes_to() -> None:
    requests = np.array([10.0, 30, 40, 20])
    spend = np.stack([requests * 7, requests * 0.1, np.array([0, 0, 0, 1.0]), np.array([1.0, 0, 0, 0]), np.zeros(4)], axis=1)
    late, early, never = (0.1 + 0.4 + 0.8) / 4, (0.9 + 0.6 + 0.2) / 4, (0.1 + 0.4 + 0.8 + 1) / 4
    assert unevenness(spend, requests) == pytest.approx([0, 0, late, early, never])


def test_envy_by_hand() -> None:
    """A has had 6 for 4 of 10, and so 12; with twice the outcome of B (worth 5 to A, 1 of 5 left) it would have 12 as well."""
    worth, budget = np.array([[6.0, 5.0], [1.0, 2.0]]), np.array([10.0, 5.0])
    assert envy(worth, np.array([4.0, 4.0]), budget) == pytest.approx([0, 1 - 3 / 3.5])
    assert envy(worth, np.array([6.0, 4.0]), budget) == pytest.approx([1 - 10 / 12, 0])
    assert envy(np.zeros((2, 2)), budget, budget) == pytest.approx([0, 0])  # nothing is had by anybody
    assert (envy(np.eye(5), np.zeros(5), np.ones(5)) == 0).all()


def test_nash_welfare_by_hand() -> None:
    assert nash_welfare(np.array([2.0, 8.0]), np.array([1.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx(4)
    assert nash_welfare(np.array([2.0, 8.0]), np.array([1.0, 1.0]), np.array([3.0, 1.0])) == pytest.approx(8**0.5)
    assert nash_welfare(np.array([0.0, 8.0]), np.array([1.0, 1.0]), np.array([3.0, 1.0])) == 0
    assert nash_welfare(np.array([7.0, 8.0]), np.array([0.0, 4.0]), np.array([3.0, 1.0])) == pytest.approx(2)
    assert nash_welfare(np.array([1.0]), np.array([0.0]), np.array([1.0])) == 1


def test_in_a_first_price_equilibrium_of_one_slot_nobody_envies_anybody() -> None:
    """A theorem, of those who believe what is true; without pacing there is envy."""
    scenario = PRESET.override(
        {
            "auction": {"pricing": "first", "slots": 1, "exposure": [1.0]}, "rates.belief_noise": 0.0,
            "response.belief_sigma": 0.0, "traffic.requests_per_day": 10_000,
        }
    )  # fmt: skip
    policies = Follows(equilibrium_of(scenario, CASE.seed).factor), make_policy("pacing", "none")
    fair, unpaced = (measured(policy, scenario)["envy"] for policy in policies)
    assert fair < 0.01
    assert unpaced > 0.1


def test_numbers_are_those_of_the_books() -> None:
    """By the ledger's frame, over two days."""
    scenario = SMALL.override({"days": 2})
    world = PACING.world(scenario, CASE, make_policy("pacing", "mpc"), "truthful", judged=True)
    world.run()
    numbers, frame = PACING.measure(world, CASE), world.ledger.to_frame()
    budget = build(scenario).campaigns.budget / MICRO
    assert numbers["value"] == pytest.approx(frame["value"].sum())
    assert numbers["revenue"] == numbers["spent"] == pytest.approx(frame["spend"].sum())
    assert numbers["budget"] == pytest.approx(2 * budget.sum())
    assert numbers["clicks"] == frame["clicks"].sum()
    assert numbers["impressions"] == frame["impressions"].sum()
    gone, distance = [], []
    for _, day in frame.groupby("day"):
        for k, (_, rows) in enumerate(day.groupby("campaign", observed=True)):
            share = rows["requests"].to_numpy() / rows["requests"].sum()
            left = np.append(1.0, rows["budget_left"].to_numpy()[:-1] / budget[k])
            gone.append(share[left < 0.01].sum())
            course = rows["spend"].to_numpy().cumsum() / rows["spend"].sum()
            distance.append(np.abs(course - share.cumsum()).mean() * budget[k] / budget.sum())
    assert numbers["exhausted"] == pytest.approx(np.mean(gone))
    assert numbers["pacing_error"] == pytest.approx(np.sum(distance) / 2)
    course = PACING.points(world, CASE)
    assert course.shape == PACING.ideal(scenario).shape == (49,)
    assert course[-1] == pytest.approx(numbers["spent"] / numbers["budget"])
    assert (np.diff(course) >= 0).all()
    assert PACING.ideal(scenario)[[0, 24, 48]] == pytest.approx([0, 0.5, 1])


def test_campaigns_without_budgets_count_for_value_and_revenue_alone() -> None:
    """Listed, with budgets for the first half."""
    tree = Scenario.preset("uniform", bidders=4, requests=3_000).override({"ticks_per_day": 6}).model_dump(mode="json")
    for place in (0, 1):
        tree["demand"]["advertisers"][place]["campaigns"][0]["budget_per_day"] = 150.0 + 50 * place
    scenario = Scenario.from_tree(tree)
    world = PACING.world(scenario, CASE, make_policy("pacing", "none"), "truthful", judged=True)
    world.run()
    numbers, spend = PACING.measure(world, CASE), world.ledger.spend().sum(axis=0)
    assert numbers["budget"] == 350
    assert numbers["spent"] == pytest.approx(spend[:2].sum())
    assert numbers["revenue"] == pytest.approx(spend.sum())
    assert 0 < numbers["exhausted"] < 1
    assert np.isfinite(list(numbers.values())).all()


# Who sits where.


def test_platform_pacing_above_the_bidders_own_is_one_run() -> None:
    world = PACING.world(SMALL, CASE, make_policy("pacing", "constant:factor=0.6"), OWN, judged=True)
    assert isinstance(world, Watched)
    world.run()
    assert (world.ledger.pace == 0.6).all()
    assert np.unique(world.ledger.multiplier[-1]).size == 12
    truthful = PACING.world(SMALL, CASE, make_policy("pacing", "none"), "truthful", judged=False)
    truthful.run()
    assert (truthful.ledger.multiplier == 1).all()
    assert type(truthful) is World


def test_bidders_of_three_kinds_share_each_vertical() -> None:
    world = PACING.world(PRESET, CASE, make_policy("pacing", "none"), OWN, judged=False)
    (bidding,) = (roster for roster in world._rosters if roster.seat.name == "bidding")
    held = {type(holding.policy): list(holding.held) for holding in bidding.holdings}
    assert set(held) == set(BIDDERS)
    vertical = build(PRESET).campaigns.vertical
    for places in held.values():
        assert len(places) == 8
        assert np.bincount(vertical[places], minlength=vertical.max() + 1).min() >= 1


def test_the_bound_is_shown_where_it_holds() -> None:
    shown = {
        mix: [m.name for m in PACING.shown(measuring.run(PACING, SMALL, {"mpc": "mpc"}, 1, split="train", mix=mix))]
        for mix in PACING.mixes
    }
    assert set(shown["truthful"]) - set(shown[OWN]) == {"score_over_bound"}
    assert shown["truthful"] == [m.name for m in PACING.metrics]


def test_a_comparison_says_what_came_of_it() -> None:
    results = measuring.run(PACING, SMALL, {"mpc": "mpc", "none": "none"}, 3, split="validation")
    found = report.estimates(results, "mpc")
    assert found["mpc"]["score"].mean == pytest.approx(results.numbers("mpc", "score").mean())
    for name in ("mpc", "none"):
        ratio = results.numbers(name, "value").sum() / results.numbers(name, "equilibrium_value").sum()
        assert found[name]["value_over_equilibrium"].mean == pytest.approx(ratio)
        assert (results.numbers(name, "score") < results.numbers(name, "bound")).all()
    assert found["mpc"]["nash_welfare"].mean > found["none"]["nash_welfare"].mean
    assert found["mpc"]["envy"].mean < found["none"]["envy"].mean


def test_a_market_in_which_nothing_binds_has_nothing_to_pace() -> None:
    with pytest.raises(MarketError, match=r"^scenario 'auction-small' has no campaign whose budget binds, so there is"):
        PACING.units(Scenario.preset("auction-small"))
