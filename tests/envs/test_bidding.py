"""`AdArena/Bidding-v0`: contract, chance, observation, reward, and what is refused."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from adarena.agents.bidding import Fixed
from adarena.agents.bidding.rivals import contested, rivals
from adarena.agents.splits import SPLITS
from adarena.benchmarks.comparison import measuring
from adarena.benchmarks.comparison.suite import Case
from adarena.benchmarks.suites.bidding import BIDDING
from adarena.envs.bidding import BiddingEnv
from adarena.simulator import BidPolicy, MarketError, Multiplier, PolicyError, Scenario, World
from adarena.simulator.books.ledger import Ledger
from adarena.simulator.core.books import Tick
from adarena.simulator.engine.state import Count, Sum
from adarena.simulator.market.market import build
from adarena.simulator.response.leads import LeadCount
from adarena.simulator.seats.bidding.vectors import BOUND, FEATURES, REACH
from adarena.simulator.seats.seat import Open

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")
HELD = contested(TINY)


def actions(seed: int, count: int = TINY.ticks_per_day) -> np.ndarray:
    """Random actions, shape (count, 1)."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 1)).astype(np.float32)


def episode(env: gym.Env[Any, Any], seed: int, options: dict[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray, dict]:
    """Observations (ticks + 1, 22), rewards (ticks,) and the last info of a day of random actions."""
    observation, _ = env.reset(seed=seed, options=options)
    seen, rewards = [observation], []
    for action in actions(seed):
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        rewards.append(reward)
        assert not truncated
        assert terminated == (len(rewards) == TINY.ticks_per_day)
    return np.array(seen), np.array(rewards), info


def digest(env: gym.Env[Any, Any], days: int = 3) -> str:
    """A few days of random actions as a hash of every byte that the agent got."""
    found = hashlib.sha256()
    for seed in range(days):
        seen, rewards, _ = episode(env, seed)
        found.update(seen.tobytes() + rewards.tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", [ID, f"adarena:{ID}"])
@pytest.mark.parametrize("reward", ["value", "tcpa"])
def test_checkers_have_nothing_to_say(name: str, reward: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(name, scenario="tiny", reward=reward).unwrapped, skip_render_check=True)
        sb3_check_env(gym.make(name, scenario="tiny", reward=reward))


def test_the_docstring_is_true() -> None:
    text = str(BiddingEnv.__doc__)
    env = BiddingEnv("tiny")
    assert f"Box({env.observation_space.low[0]:.0f}, {env.observation_space.high[0]:.0f}, {env.observation_space.shape}" in text
    assert f"Box({env.action_space.low[0]:.0f}, {env.action_space.high[0]:.0f}, {env.action_space.shape}" in text


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    env = BiddingEnv(TINY)
    first = digest(env)
    assert digest(env) == first
    assert digest(BiddingEnv(TINY)) == first
    assert not np.array_equal(episode(env, 0)[0], episode(env, 1)[0])


def test_processes_agree_to_the_last_bit() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_bidding import TINY, BiddingEnv, digest\n"
        "print(digest(BiddingEnv(TINY)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == digest(BiddingEnv(TINY))


def test_random_steps_stay_finite_and_in_bounds() -> None:
    """12,000 steps over all campaigns, mixes, rewards and budgets from hardly any to plenty."""
    dice = np.random.default_rng(0)
    for number in range(12_000 // TINY.ticks_per_day + 1):
        reward = ("value", "tcpa")[number % 2]
        env = BiddingEnv(TINY, reward=reward)
        mix = ("mixed", "pid", "fixed", "dual")[number // 2 % 4]
        scale = float(np.exp(dice.uniform(math.log(0.01), math.log(100))))
        seen, rewards, info = episode(env, number, {"rivals": mix, "budget_scale": scale, "campaign": HELD[number % len(HELD)]})
        assert seen.dtype == np.float32
        assert np.isfinite(seen).all()
        assert np.abs(seen).max() <= BOUND
        assert np.isfinite(rewards).all()
        assert all(math.isfinite(value) for value in info.values())
        assert info["total_spend"] <= info["budget"]
        if reward == "value":
            assert (rewards >= 0).all()


class Scripted(BidPolicy):
    """Decides given multipliers, tick by tick."""

    def __init__(self, multipliers: np.ndarray) -> None:
        self.multipliers = multipliers

    def decide(self, view: Any) -> Multiplier:
        return Multiplier(self.multipliers[view.tick])


@pytest.mark.parametrize("seed", range(3))
def test_an_episode_is_a_day_of_the_market(seed: int) -> None:
    """The same decisions in a world of one's own: value, spend and multiplier of each tick, and the sum of the rewards."""
    env = BiddingEnv(TINY)
    _, rewards, info = episode(env, seed)
    k = info["campaign"]
    multipliers = float(build(TINY).campaigns.prior[k]) * np.exp(math.log(4.0) * actions(seed)[:, 0].astype(np.float64))
    world = World(TINY, {"bidding": {**rivals(TINY, k), k: Scripted(multipliers)}}, seed=info["day"])
    world.run()
    value, spend = world.ledger.value()[:, k], world.ledger.spend()[:, k]
    expected = build(TINY).expected.conversions[k] * build(TINY).campaigns.value[k]
    scale = max(expected, build(TINY).campaigns.value[k])
    np.testing.assert_array_equal(rewards, value / scale)
    assert rewards.sum() == pytest.approx(value.sum() / scale, rel=1e-12)
    assert info["total_value"] == pytest.approx(value.sum(), rel=1e-12)
    assert info["total_spend"] == pytest.approx(spend.sum(), rel=1e-12)
    assert info["multiplier"] == world.ledger.multiplier[-1, k]


@pytest.mark.parametrize(("seed", "cpa_limit"), [(0, 1.0), (1, 0.2), (2, 0.1), (3, 0.3)])
def test_tcpa_rewards_sum_to_the_score(seed: int, cpa_limit: float) -> None:
    """AuctionNet's score min(1, (limit / CPA)^2) x value, on the scale of the reward."""
    _, values, _ = episode(BiddingEnv(TINY), seed)
    _, rewards, info = episode(BiddingEnv(TINY, reward="tcpa", cpa_limit=cpa_limit), seed)
    score = values.sum() * min(1.0, (info["cpa_limit"] / info["cpa"]) ** 2)
    assert rewards.sum() == pytest.approx(score, rel=1e-9)
    assert info["violation"] == pytest.approx(max(info["cpa"] / info["cpa_limit"] - 1, 0))


@pytest.mark.parametrize("seed", range(4))
def test_under_a_target_cpa_the_return_is_the_score_of_the_suite(seed: int) -> None:
    """The same constant bid, once by actions and once by a classic that the suite judges."""
    limited = TINY.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.8})
    env = BiddingEnv(limited, reward="tcpa")
    _, info = env.reset(seed=seed)
    rewards = [env.step(np.zeros(1, np.float32))[1] for _ in range(limited.ticks_per_day)]
    run = measuring.play(BIDDING, limited, Case(info["day"], info["campaign"]), Fixed(), "mixed")
    expected, value = build(limited).expected, build(limited).campaigns.value
    scale = max(expected.conversions[info["campaign"]], 1.0) * value[info["campaign"]]
    assert sum(rewards) * scale == pytest.approx(run.numbers["score"], rel=1e-9)
    assert 0 < run.numbers["score"] <= run.numbers["value"] * (1 + 1e-12)


@pytest.mark.parametrize("reward", ["value", "tcpa"])
def test_a_day_without_traffic_is_worth_nothing(reward: str) -> None:
    env = BiddingEnv(TINY, reward=reward)
    env.reset(seed=0)
    env.world.surge(0.0)
    for action in actions(0):
        observation, gained, *_, info = env.step(action)
        assert gained == 0
        assert np.isfinite(observation).all()
    assert info["cpa"] == info["violation"] == info["total_spend"] == 0


def test_the_observation_does_not_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewriting all that only judges may read (true value, conversions not yet reported) changes no observation."""
    seen, rewards, _ = episode(BiddingEnv(TINY), 4)
    close_tick = Ledger.close_tick

    def blurred(self: Ledger, tick: Tick) -> None:
        close_tick(self, tick)
        for sums in (self.sums[tick.number], self.today_sums):
            sums[Sum.VALUE] = sums[Sum.VALUE] * 3 + 1
        for counts in (self.counts[tick.number], self.today_counts):
            counts[Count.CONVERSIONS] += 5

    monkeypatch.setattr(Ledger, "close_tick", blurred)
    other, others, _ = episode(BiddingEnv(TINY), 4)
    np.testing.assert_array_equal(seen, other)
    assert not np.array_equal(rewards, others)


def test_the_close_of_a_day_knows_of_its_last_leads() -> None:
    lead = {"form_open_rate": 1.0, "qualified_rate": 0.5, "sale_rate": 0.5}
    scenario = TINY.override({"demand.lead": lead, "demand.conversion_rate": 0.5, "rates.click_rate": 0.3})
    k = contested(scenario)[0]
    world = World(scenario, {"bidding": {k: Open()}}, seed=0)
    world.set_budget(k, 1e6)
    while world.until_asked() is not None:
        world.answer(Multiplier(2.0))
    books, view = world.ledger.leads, world.look("bidding")
    assert books is not None
    for told, ticks in ((view.last_leads, 1), (view.today_leads, scenario.ticks_per_day)):
        assert told is not None
        assert told.form_opens == books.counts[-ticks:, LeadCount.FORM_OPENS, k].sum()
        assert told.qualified_reported == books.counts[-ticks:, LeadCount.QUALIFIED_REPORTED, k].sum()
    assert books.counts[-1, LeadCount.FORM_OPENS, k] > 0


def test_the_price_is_seen_only_where_it_is_told() -> None:
    cost, cost3 = FEATURES.index("winning_cost"), FEATURES.index("winning_cost_last3")
    told, _, _ = episode(BiddingEnv(TINY), 0)
    silent, _, _ = episode(BiddingEnv(TINY.override({"auction.price_told": False})), 0)
    assert (told[1:, [cost, cost3]] != 0).any()
    assert (silent[:, [cost, cost3]] == 0).all()
    rest = [i for i in range(len(FEATURES)) if i not in (cost, cost3)]
    np.testing.assert_array_equal(told[:, rest], silent[:, rest])


def log_ratio(above: float, below: float) -> float:
    """log(above / below), at the bounds where either is nothing, 0 where both are."""
    if above > 0 and below > 0:
        return math.log(above / below)
    return BOUND * (int(above > 0) - int(below > 0))


@pytest.mark.parametrize("limited", [False, True])
def test_features_say_what_they_say(limited: bool) -> None:
    """All of them, recomputed from the books after every tick, independently of the observer."""
    changes = {"demand.objective": "target_cpa", "demand.target_cpa_share": 0.9} if limited else {}
    market = build(scenario := TINY.override(changes))
    env = BiddingEnv(scenario)
    observation, info = env.reset(seed=11)
    k, ticks, expected = info["campaign"], scenario.ticks_per_day, scenario.traffic.requests_per_day
    table = market.campaigns
    prior, target, worth = float(table.prior[k]), float(table.target[k]), float(table.value[k])
    rate, budget = float(market.expected.rate[k]), info["budget"]
    usual, played = prior * target * rate, np.empty(0)
    for tick, action in enumerate(actions(11), 1):
        observation, *_ = env.step(action)
        played = np.append(played, prior * 4 ** float(action[0]))
        ledger, forecast = env.world.ledger, env.world.forecast
        counts, sums = ledger.counts[:tick, :, k].astype(float), ledger.sums[:tick, :, k]
        requests, spend, offered = counts[:, Count.REQUESTS], counts[:, Count.SPEND] / 1e6, sums[:, Sum.OFFERED]
        bids, costs = offered * played * target, np.nan_to_num(ledger.market_price[:tick, k]) * requests
        day, last3, elapsed = slice(None), slice(-3, None), forecast[:tick].sum()

        def mean(of: np.ndarray, span: slice, requests: np.ndarray = requests) -> float:
            return float(of[span].sum() / max(requests[span].sum(), 1.0))

        wanted = {
            "time_left": 1 - 2 * tick / ticks,
            "budget_left": 1 - 2 * spend.sum() / budget,
            "bid": log_ratio(mean(bids, day), usual),
            "bid_last3": log_ratio(mean(bids, last3), usual),
            "winning_cost": log_ratio(mean(costs, day), usual),
            "rate": 2 * log_ratio(mean(offered, day), rate),
            "conversions": math.log1p(counts[:, Count.REPORTED].sum()),
            "win_rate": 2 * mean(counts[:, Count.WINS], day) - 1,
            "winning_cost_last3": log_ratio(mean(costs, last3), usual),
            "rate_last3": 2 * log_ratio(mean(offered, last3), rate),
            "conversions_last3": math.log1p(counts[-3:, Count.REPORTED].sum()),
            "win_rate_last3": 2 * mean(counts[:, Count.WINS], last3) - 1,
            "rate_now": 2 * log_ratio(mean(offered, slice(-1, None)), rate),
            "traffic_now": math.log(forecast[min(tick, ticks - 1)] * ticks),
            "traffic_last3": log_ratio(requests[-3:].sum() / min(tick, 3), expected / ticks),
            "traffic": 2 * requests.sum() / expected - 1,
            "pacing_error": 5 * (elapsed - spend.sum() / budget),
            "log_multiplier": REACH * float(action[0]),
            "spend_rate": spend[-1] / (budget * forecast[tick - 1]) - 1,
            "traffic_over_forecast": 2 * log_ratio(requests.sum(), expected * elapsed),
            "required_rate": log_ratio(
                (budget - spend.sum()) / (1 - elapsed), spend[-3:].sum() / forecast[max(tick - 3, 0) : tick].sum()
            )
            if tick < ticks
            else 0.0,
            "believed_cpa_over_limit": log_ratio(spend.sum(), sums[:, Sum.BELIEVED].sum() / worth * target),
        }
        assert tuple(wanted) == FEATURES
        np.testing.assert_allclose(observation, np.clip(list(wanted.values()), -BOUND, BOUND), atol=1e-5, err_msg=str(tick))


def test_days_are_drawn_from_the_training_split_unless_said_otherwise() -> None:
    env = BiddingEnv(TINY)
    drawn = [env.reset(seed=None if i else 5)[1] for i in range(200)]
    assert all(info["day"] in SPLITS["train"] for info in drawn)
    assert len({info["day"] for info in drawn}) > 190
    assert {info["campaign"] for info in drawn} == set(HELD)
    assert BiddingEnv(TINY, days=(5, 6)).reset(seed=0)[1]["day"] == 5


def test_episodes_draw_their_rivals_from_the_mixes_named() -> None:
    env = BiddingEnv(TINY, rivals=("pid", "dual"))
    case = {"campaign": HELD[0], "day": 3}

    def day(**options: Any) -> float:
        env.reset(options=case | options)
        total = 0.0
        while not (step := env.step(np.zeros(1, np.float32)))[2]:
            total = step[4]["total_value"]
        return total

    alone = {day(rivals=mix) for mix in ("pid", "dual")}
    env.reset(seed=0)
    drawn = {day() for _ in range(12)}
    assert len(alone) == 2
    assert drawn == alone
    assert BiddingEnv(TINY).mixes == ("mixed",)


def test_options_fix_the_case() -> None:
    env = BiddingEnv(TINY)
    k = HELD[-1]
    _, info = env.reset(seed=0, options={"campaign": k, "day": 1_000_003, "rivals": "dual", "budget_scale": 0.5})
    assert (info["campaign"], info["day"]) == (k, 1_000_003)
    assert info["budget"] == pytest.approx(build(TINY).campaigns.budget[k] / 1e6 * 0.5, abs=1e-6)
    one, other = (episode(env, 3, {"campaign": k, "day": 7, "rivals": mix})[0] for mix in ("pid", "fixed"))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"campagin": 1}, "there is no option 'campagin'; known are campaign, day, rivals and budget_scale"),
        ({"campaign": 99}, "the campaign must be one whose budget binds, .*, not 99"),
        ({"campaign": True}, "not True"),
        ({"campaign": "c1"}, "not 'c1'"),
        ({"day": -1}, "the day is a whole number from 0 to 1,999,999, the seed of a world, not -1"),
        ({"day": 2**70}, "the day is a whole number from 0 to 1,999,999"),
        ({1: 2, "x": 3}, "there is no option 1"),
        (["campaign"], "options are a mapping from names to values"),
        ({"rivals": ["pid"]}, "there is no mix of rivals"),
        ({"day": 1.5}, "not 1.5"),
        ({"budget_scale": 0}, "the budget_scale is a number from 0.01 to 100, not 0"),
        ({"budget_scale": math.nan}, "not nan"),
        ({"rivals": "bots"}, "there is no mix of rivals 'bots'; known are mixed, pid, fixed, dual, mpc, adaptive, many"),
    ],
)
def test_bad_options_are_one_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words) as caught:
        BiddingEnv(TINY).reset(seed=0, options=options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (np.array([math.nan], np.float32), "an action lies from -1 to 1, not at nan"),
        (np.array([1.01], np.float32), "an action lies from -1 to 1, not at 1.0"),
        (np.array([-math.inf]), "not at -inf"),
        (np.zeros(2, np.float32), r"an action has shape \(1,\), not \(2,\)"),
        (0.5, r"an action has shape \(1,\), not \(\)"),
        (["much"], "an action is a number from -1 to 1, not"),
        (None, r"an action"),
    ],
)
def test_bad_actions_are_one_sentence_and_play_nothing(action: Any, words: str) -> None:
    env = BiddingEnv(TINY)
    env.reset(seed=0)
    with pytest.raises(PolicyError, match=words) as caught:
        env.step(action)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(env.step(np.zeros(1, np.float32))[0], after_one_step())


def after_one_step() -> np.ndarray:
    """The observation after a first action of 0, undisturbed."""
    env = BiddingEnv(TINY)
    env.reset(seed=0)
    return env.step(np.zeros(1, np.float32))[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"reward": "profit"}, "the reward is objective, value, tcpa, utility, not 'profit'"),
        ({"cpa_limit": 0}, "the cpa_limit is a multiple of the target above 0, not 0"),
        ({"cpa_limit": "cheap"}, "the cpa_limit is a multiple of the target above 0, not 'cheap'"),
        ({"days": (5, 5)}, "days are drawn from a range"),
        ({"days": 7}, "days are drawn from a range"),
        ({"days": (0.5, 3)}, "days are drawn from a range"),
        ({"rivals": "nice"}, "one or more of mixed, pid, fixed, dual, mpc, adaptive, many and drawn, not 'nice'"),
        ({"rivals": ()}, "the rivals are one or more of"),
        ({"rivals": 3}, "the rivals are one or more of"),
        ({"engine": "quick"}, "there is no engine 'quick'"),
        ({"scenario": TINY.override({"days": 2})}, "an episode is one day, and scenario 'tiny' has 2"),
        ({"scenario": 3}, "a scenario is a Scenario, the name of one, or a mapping of its fields, not 3"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words) as caught:
        BiddingEnv(**{"scenario": TINY, **arguments})
    assert "\n" not in str(caught.value)


def test_no_step_before_a_day_or_after_it() -> None:
    env = BiddingEnv(TINY)
    with pytest.raises(MarketError, match="no day is under way"):
        env.step(np.zeros(1, np.float32))
    episode(env, 0)
    with pytest.raises(MarketError, match="no day is under way: it is over"):
        env.step(np.zeros(1, np.float32))


def test_a_vector_of_environments_is_each_of_them() -> None:
    vector = gym.make_vec(ID, num_envs=3, vectorization_mode="sync", scenario="tiny")
    observations, _ = vector.reset(seed=[0, 1, 2])
    for tick in range(5):
        observations, rewards, *_ = vector.step(np.stack([actions(i)[tick] for i in range(3)]))
    for i in range(3):
        seen, alone, _ = episode(BiddingEnv(TINY), i)
        np.testing.assert_array_equal(observations[i], seen[5])
        assert rewards[i] == alone[4]
    vector.close()


def test_agents_find_the_names_of_features() -> None:
    assert gym.make(ID, scenario="tiny").metadata["features"] == FEATURES
    assert len(FEATURES) == len(set(FEATURES)) == 22
