"""Each objective has its own score, and hindsight, bound, comparison and reward go by it."""

from __future__ import annotations

from typing import Any, get_args

import gymnasium as gym
import numpy as np
import pytest
from views import uniform_market

from adarena.agents.bidding import Fixed
from adarena.agents.bidding.rivals import contested, rivals
from adarena.agents.hindsight.bounds import frontier_bound
from adarena.agents.hindsight.multiplier import static_hindsight
from adarena.agents.hindsight.scores import day_scores
from adarena.agents.objectives import best_score, score
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.market.market import build
from adarena.simulator.scenario.demand import Advertiser, Campaign, Flight, ListedDemand, Objective

TINY = Scenario.preset("tiny").override({"traffic.requests_per_day": 8_000})
CHANGES: dict[str, dict[str, Any]] = {
    "max_value": {},
    "target_cpa": {"demand.target_cpa_share": 0.8},
    "target_roas": {"demand.target_roas": 3.0},
    "utility": {},
}
every_objective = pytest.mark.parametrize("objective", get_args(Objective))


def market(objective: str, **more: Any) -> Scenario:
    """A small market in which everybody has an objective."""
    return TINY.override({"demand.objective": objective, **CHANGES[objective], **more})


def by_hand(objective: str, value: float, spend: float, allowed: float) -> float:
    """The score of a day; `allowed` is what the value may cost."""
    if objective == "utility":
        return value - spend
    if objective == "max_value" or spend <= allowed:
        return value
    return value * (allowed / spend) ** 2


@every_objective
def test_a_score_is_what_it_is_by_hand(objective: Objective) -> None:
    dice = np.random.default_rng(1)
    value, spend = dice.uniform(0, 10, 50), np.where(np.arange(50) % 5 == 0, 0.0, dice.uniform(0, 30, 50))
    expected = [by_hand(objective, v, s, 0.5 * v) for v, s in zip(value, spend, strict=True)]
    np.testing.assert_allclose(score(objective, value, spend, 0.5), expected, rtol=1e-12)


@every_objective
@pytest.mark.parametrize("number", range(10))
def test_the_best_along_a_frontier_is_the_best_at_any_spend(objective: Objective, number: int) -> None:
    dice = np.random.default_rng(number)
    slopes, steps = np.sort(dice.uniform(0.05, 5, 8))[::-1], dice.uniform(0.1, 3, 8)
    spend = np.append(0.0, np.cumsum(steps))
    value = dice.choice([0.0, 1.0]) + np.append(0.0, np.cumsum(slopes * steps))
    worth = float(dice.uniform(0.2, 2))
    fine = np.linspace(0, spend[-1], 200_001)
    scores = [by_hand(objective, v, s, worth * v) for v, s in zip(np.interp(fine, spend, value), fine, strict=True)]
    found = best_score(objective, spend, value, worth)
    assert max(scores) <= found * (1 + 1e-12)
    assert found == pytest.approx(max(scores), rel=1e-4)


@every_objective
def test_hindsight_is_the_constant_with_the_best_score(objective: Objective) -> None:
    """No constant of a coarse grid beats it by more than the search's step; and objectives do not agree on which is best."""
    scenario = market(objective)
    for case in BIDDING.cases(scenario, 3):
        k = case.unit
        best = static_hindsight(scenario, rivals(scenario, k), k, case.seed)
        constants = [Fixed(best.multiplier * 1.25**x, times_prior=False) for x in range(-6, 7)]
        runs = [measuring.play(BIDDING, scenario, case, constant, "mixed") for constant in constants]
        listed = build(scenario).campaigns.listed[k]
        for run in runs:
            value, spend, own = (run.numbers[name] for name in ("value", "spend", "score"))
            allowed = value * listed.target / listed.value_per_conversion
            assert own == pytest.approx(by_hand(objective, value, spend, allowed), rel=1e-9)
            assert own <= run.numbers["frontier"] + 1e-9
        assert runs[6].numbers["score"] == best.score
        assert max(run.numbers["score"] for run in runs) <= best.score * 1.01


def test_who_wants_utility_bids_the_truth_and_who_wants_value_all_it_can() -> None:
    """Second price, two bidders U[0, 1], no budgets: bidding one's value is best (Vickrey 1961), worth 1/6 a request."""
    requests = 20_000
    honest, greedy = (
        static_hindsight(uniform_market(requests, 1, objective=objective), None, 0, 0) for objective in ("utility", "max_value")
    )
    assert abs(honest.multiplier - 1) < 0.08  # near the best a constant loses little
    luck = 4 * (1 / 12 - 1 / 36) ** 0.5 * requests**0.5  # (v - rival's)+ has mean 1/6 and mean square 1/12
    assert abs(honest.score - requests / 6) < luck
    assert honest.score == pytest.approx(honest.value - honest.spend)
    assert greedy.value == pytest.approx(requests / 2, rel=0.02)  # of every request
    assert greedy.value - greedy.spend < 0.2 * honest.score


@every_objective
def test_a_days_rewards_are_its_score(objective: Objective) -> None:
    """Whatever is done; on the scale of the value that is expected."""
    scenario = market(objective)
    env = gym.make("AdArena/Bidding-v0", scenario=scenario)
    for seed in range(3):
        _, info = env.reset(seed=seed)
        dice, total, over = np.random.default_rng(seed), 0.0, False
        while not over:
            _, reward, over, _, info = env.step(dice.uniform(-1, 1, 1).astype(np.float32))
            total += float(reward)
        k = info["campaign"]
        listed = build(scenario).campaigns.listed[k]
        allowed = info["total_value"] * listed.target / listed.value_per_conversion
        scale = max(build(scenario).expected.conversions[k], 1.0) * env.unwrapped._worth
        assert total * scale == pytest.approx(by_hand(objective, info["total_value"], info["total_spend"], allowed), rel=1e-9)


@pytest.mark.parametrize("kind", ["value", "tcpa", "utility"])
def test_a_reward_may_be_named_instead(kind: str) -> None:
    with pytest.raises(MarketError, match="the reward is objective, value, tcpa, utility, not 'roas'"):
        gym.make("AdArena/Bidding-v0", scenario=TINY, reward="roas")
    own = {"value": "max_value", "tcpa": "target_cpa", "utility": "utility"}[kind]
    first, second = (gym.make("AdArena/Bidding-v0", scenario=market(own), reward=reward) for reward in (kind, "objective"))
    for env in (first, second):
        env.reset(seed=1)
    rewards = [[float(env.step(np.zeros(1, np.float32))[1]) for _ in range(24)] for env in (first, second)]
    assert rewards[0] == rewards[1]


# One unit for conversions


@pytest.mark.parametrize("days", [None, 0.05, 1.0])
def test_target_judge_reward_and_scale_count_the_same_conversions(days: float | None) -> None:
    """Repeating the expected day costs the target a conversion, by the judge's count, however many come in time."""
    scenario = market(
        "target_cpa", **{"demand.target_cpa_share": 1.0, "response.attribution_days": days, "response.hour_amplitude": 0.0,
                         "response.belief_sigma": 0.0, "traffic.requests_per_day": 40_000, "weather.day_sigma": 0.0,
                         "weather.common_sigma": 0.0, "weather.tick_sigma": 0.0, "weather.drift_sigma": 0.0,
                         "traffic.day_sigma": 0.0, "traffic.tick_sigma": 0.0, "traffic.surge_probability": 0.0,
                         "rates.belief_noise": 0.0}
    )  # fmt: skip
    ledgers = []
    for seed in range(3):
        world = World(scenario, {"bidding": Fixed()}, seed=seed)
        world.run()
        ledgers.append(world.ledger)
    table, expected = build(scenario).campaigns, build(scenario).expected
    value, spend = (np.sum([of(ledger).sum(axis=0) for ledger in ledgers], axis=0) for of in (_value, _spend))
    come = np.sum([ledger.attributed().sum(axis=0) for ledger in ledgers], axis=0)
    judged = spend / (value / table.value)
    np.testing.assert_allclose(judged / table.target, 1.0, atol=0.12)  # an expected day is estimated from a sample
    assert abs(np.mean(judged / table.target) - 1) < 0.06
    counted = value / table.value
    assert (np.abs(come - counted) < 4.5 * counted**0.5).all()  # conversions come as often as the judge expects
    assert abs((value / 3).sum() / (expected.conversions * table.value).sum() - 1) < 0.05  # the scale of rewards
    happened = np.sum([ledger.conversions().sum() for ledger in ledgers])
    assert (come.sum() < 0.8 * happened) == (days is not None)


def _value(ledger: Any) -> Any:
    return ledger.value()


def _spend(ledger: Any) -> Any:
    return ledger.spend()


# Who can be judged


def refused(said: str, scenario: Scenario) -> None:
    """No seat, no environment, no comparison, no search."""
    with pytest.raises(MarketError, match=said):
        contested(scenario)
    with pytest.raises(MarketError, match=said):
        gym.make("AdArena/Bidding-v0", scenario=scenario).reset(seed=0)
    with pytest.raises(MarketError, match=said):
        measuring.run(BIDDING, scenario, {"pid": "pid"}, 1)
    with pytest.raises(MarketError, match=said):
        measuring.shares(BIDDING, scenario, ["pid"], 1, "train")


def test_who_is_billed_by_conversion_is_not_judged_by_days() -> None:
    scenario = TINY.override({"demand.billing": "cpa"})
    refused("campaign 'c0' is billed by conversion", scenario)
    for measure in (lambda: static_hindsight(scenario, None, 1, 0), lambda: frontier_bound(_recorded(scenario))):
        with pytest.raises(MarketError, match=r"campaign 'c1' is billed by conversion \(billing: cpa\)"):
            measure()


def _recorded(scenario: Scenario) -> World:
    world = World(scenario, seed=0, record=1)
    world.run()
    return world


def listed(flights: tuple[tuple[Flight, ...], ...], billing: tuple[str, ...]) -> Scenario:
    """A market of campaigns alike but for their flights and billing."""
    rows = tuple(
        Advertiser(
            name=f"a{k}",
            campaigns=(
                Campaign(
                    name=f"c{k}", value_per_conversion=10.0, budget_per_day=5.0, flights=f, billing=b, conversion_rate=0.3
                ),  # type: ignore[arg-type]
            ),
        )
        for k, (f, b) in enumerate(zip(flights, billing, strict=True))
    )
    return TINY.override({"demand": ListedDemand(advertisers=rows).model_dump(mode="json")})


def test_a_seat_is_for_who_is_there_and_knows_what_it_owes() -> None:
    late, always = (Flight(first_day=1, end_day=3),), ()
    assert contested(listed((late, always, always, always), ("cpm", "cpa", "cpc", "cpm"))) == [2, 3]
    refused("flights cover its days", listed((late, late), ("cpm", "cpm")))
    refused("'c1' is billed by conversion", listed((late, always), ("cpm", "cpa")))
    results = measuring.run(BIDDING, listed((late, always, always), ("cpm", "cpm", "cpm")), {"pid": "pid"}, 4)
    assert {case.unit for case in results.cases} == {1, 2}


def test_day_scores_go_by_the_day() -> None:
    scenario = market("utility", days=3)
    world = World(scenario, seed=0)
    world.run()
    value, spend = (of(world.ledger)[:, 2].reshape(3, -1).sum(axis=1) for of in (_value, _spend))
    np.testing.assert_allclose(day_scores(world, 2), value - spend)
