"""`AdArena/Allocation-v0`: a user's days, alone or among hundreds, are what they are in a world, to the last bit."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from lanes import assert_so_alone, assert_they_come_back, episodes_of
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import adarena
from adarena.agents.allocation.places import placed
from adarena.envs.allocation import AllocationEnv
from adarena.envs.frames import text
from adarena.envs.side_by_side import AllocationVectorEnv
from adarena.simulator import MarketError, PolicyError, Scenario, World
from adarena.simulator.core.rules import row_rule
from adarena.simulator.engine.asking import Column
from adarena.simulator.engine.lives import Lives
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import AllocationPolicy, PageRule
from adarena.simulator.seats.seat import Open

SMALL = Scenario.preset("allocation-small").override(
    {"days": 3, "users.count": 60, "traffic.requests_per_day": 900, "demand.campaigns": 6, "ticks_per_day": 24}
)


def made(**settings: Any) -> AllocationEnv:
    return AllocationEnv(scenario=SMALL, **settings)


def actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


@row_rule
def by_worth(view: Any, answer: Any, memory: Any, own: Any) -> Any:
    """Two ads where they pay, none where the user is bored, else one."""
    if view[Column.PAYS] > 0.2 * view[Column.CONTENT]:
        return 8
    return 0 if view[Column.BOREDOM] > 1.0 else 2


class ByWorth(AllocationPolicy):
    def decide(self, view: Any) -> Any:
        return PageRule(by_worth)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"demand.ads_per_campaign": 3, "auction.pricing": "vcg"},
        {"demand.billing": "cpa", "weather.request_sigma": None, "weather.tick_sigma": 0.3, "demand.follows_demand": 1.0},
        {"creatives": {}, "sessions.patience.worn": 0.5},
    ],
)
def test_users_one_by_one_live_as_in_their_world(changes: dict[str, Any]) -> None:
    scenario = SMALL.override(changes)
    world = World(scenario, {"allocation": ByWorth()}, seed=5)
    world.run()
    assert world.pages is not None
    lives = Lives(scenario, 5, 7)
    lives.seat(np.ones(7, np.bool_))
    while (lives.lanes.user >= 0).any():
        lives.step(np.array([by_worth(row, np.zeros(13), np.zeros(0), np.zeros(0)) for row in lives.lanes.shown]))
    assert world.pages.users[:, PageSum.REVENUE].sum() > 0
    assert np.array_equal(lives.books, world.pages.users)


def test_an_episode_is_what_its_user_lives_through_in_the_world_left_open() -> None:
    env, (drawn, pages) = made(), (actions(500), list[tuple[Any, ...]]())
    observation, info = env.reset(options={"day": 4, "user": 9})
    over = False
    while not over:
        seen, action = observation, drawn[len(pages)]
        observation, reward, over, _, info = env.step(action)
        pages.append((seen, action, info["pattern"], reward))
    world = World(SMALL, {"allocation": Open("request")}, seed=4)
    exchange, found = world._exchange, 0
    while (asked := world.until_asked()) is not None:
        desk = exchange.desk
        assert desk is not None
        if exchange.state.block.users[desk.column] != 9:
            world.answer(0)
            continue
        seen, action, pattern, _ = pages[found]
        assert np.array_equal(env.rules.vectors.observe(asked.view[None])[0], seen)
        world.answer(pattern)
        found += 1
    assert found == len(pages) == info["pages"]
    assert world.pages is not None
    assert world.pages.score[9] == pytest.approx(info["total_score"])
    assert sum(page[3] for page in pages) * env.rules.unit == pytest.approx(info["total_score"])


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_lane_plays_the_episodes_that_its_info_names(mode: str) -> None:
    many, dice = AllocationVectorEnv(5, mode, scenario=SMALL), np.random.default_rng(1)
    episodes = episodes_of(many, 900, lambda: dice.uniform(-1, 1, (5, 2)).astype(np.float32))
    assert len(episodes) > 20
    assert len({one.whose["day"] for one in episodes}) > 1  # of more than one world
    assert_so_alone(made(), episodes)


def test_lanes_come_back_to_where_they_were() -> None:
    assert_they_come_back(lambda: made().side_by_side(16), actions(16 * 120).reshape(120, 16, 2))


@pytest.mark.parametrize("action", ["price", "pattern", "places"])
def test_checkers_have_no_complaints(action: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(action=action), skip_render_check=True)
        sb3_check_env(gym.make("AdArena/Allocation-v0", scenario=SMALL, action=action))


def test_a_seed_is_a_run_of_users_and_its_spec_makes_it_again() -> None:
    def lived(env: Any, seed: int) -> list[float]:
        env.reset(seed=seed)
        found: list[float] = []
        for action in actions(300):
            observation, reward, over, _, _ = env.step(action)
            found += [float(reward), *observation]
            if over:
                env.reset()
        return found

    env = gym.make("AdArena/Allocation-v0", scenario=SMALL)
    first = lived(env, 1)
    assert lived(env, 1) == first != lived(env, 2)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert lived(again, 1) == first


def test_places_are_read_from_the_top() -> None:
    facts = made().rules.facts
    number = {tuple(row): pattern for pattern, row in enumerate(facts.carries.astype(int))}
    found = placed(facts)
    for bits in range(32):
        wanted = [bits >> place & 1 for place in range(5)]
        carried = facts.carries[found[bits]].astype(int).tolist()
        if tuple(wanted) in number:
            assert carried == wanted
        first = wanted.index(1) if 1 in wanted else None
        assert first is None or carried[first] == 1
        assert all(a <= b for a, b in zip(carried, wanted, strict=True))


def test_a_price_chooses_the_pattern_that_is_then_worth_most() -> None:
    rules, dice = made().rules, np.random.default_rng(0)
    facts = rules.facts
    pages = dice.uniform(0, 2, (200, Column.PAYS + 3))
    pages[:, Column.PAYS :] *= facts.pay
    drawn = dice.uniform(-1, 1, (200, 2))
    chosen = rules.vectors.decide(pages, drawn)
    for page, (a, b), pattern in zip(pages, drawn, chosen, strict=True):
        price, extra = facts.pay * np.exp(-0.7 + 2.5 * a), facts.pay * (0.5 + 0.5 * b)
        boring = facts.exposure.sum(axis=1) * (1 - facts.click_rate)
        content = (facts.pages.organic_value + extra) * page[Column.CONTENT] * facts.organic
        worth = facts.clicks @ page[Column.PAYS :] + content - price * boring
        assert worth[pattern] == pytest.approx(worth.max())


def test_masks_leave_out_patterns_for_which_there_are_no_ads() -> None:
    env = AllocationEnv(scenario=SMALL.override({"demand.campaigns": 1, "demand.verticals": 1}), action="pattern")
    _, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == [True] * 6 + [False] * 7  # none, or one ad
    assert np.array_equal(env.action_masks(), info["action_mask"])


def test_charges_are_what_is_expected_on_average() -> None:
    totals = {}
    for reward in ("expected", "charged"):
        many = AllocationVectorEnv(400, "SameStep", scenario=SMALL, reward=reward)
        many.reset(seed=0)
        totals[reward] = sum(many.step(np.zeros((400, 2), np.float32))[1] for _ in range(150))
    difference = totals["charged"] - totals["expected"]  # of each lane, in which clicks are independent of those in others
    assert difference.std() > 0.05 * totals["expected"].mean()
    assert abs(difference.mean()) < 3 * difference.std() / 20


def test_a_user_can_be_looked_at() -> None:
    env = made(render_mode="rgb_array")
    with pytest.raises(MarketError, match="call reset"):
        env.frame()
    env.reset(options={"day": 4, "user": 9})
    over = False
    while not over:
        _, _, over, _, info = env.step(np.zeros(2, np.float32))
    picture = env.render()
    assert picture.shape == (540, 960, 3)
    assert f"{info['pages']} pages" in text(env.frame())


def test_mistakes_cost_a_sentence() -> None:
    env = made()
    with pytest.raises(MarketError, match=r"call reset$"):
        env.step(np.zeros(2, np.float32))
    for options, words in (
        ({"weather": 1}, "there is no option 'weather'; known are day and user"),
        ({"day": -1}, "the day is a whole number from 0"),
        ({"user": 60}, "the user is a whole number from 0 to 59, not 60"),
    ):
        with pytest.raises(MarketError, match=words):
            env.reset(options=options)
    with pytest.raises(MarketError, match="a seed is a whole number from 0 up, not -1"):
        env.reset(seed=-1)
    env.reset(seed=0)
    for action, words in ((np.full(2, 1.1), "lies from -1 to 1"), (np.zeros(9), "has shape"), ("up", "from -1")):
        with pytest.raises(PolicyError, match=words):
            env.step(action)
    for setting, words in (
        ({"action": "shout"}, "the action is one of price, pattern, places, not 'shout'"),
        ({"reward": "fame"}, "the reward is one of expected, charged, not 'fame'"),
        ({"days": (5, 5)}, "days are drawn from a range"),
    ):
        with pytest.raises(MarketError, match=words):
            made(**setting)
    with pytest.raises(MarketError, match="touch each other: it has budgets, which all users share"):
        AllocationEnv(scenario=SMALL.override({"demand.budget_share": 0.5}))
    with pytest.raises(MarketError, match="the allocation seat needs pages"):
        AllocationEnv(scenario="tiny")
    price = made()
    price.reset(seed=0)
    with pytest.raises(PolicyError, match=r"an action has shape \(2,\), not \(3,\)"):
        price.step(np.zeros(3))
    pattern = made(action="pattern")
    pattern.reset(seed=0)
    with pytest.raises(PolicyError, match="pattern numbers from 0 to 12"):
        pattern.step(13)
    with pytest.raises(MarketError, match="the autoreset_mode is one of NextStep, SameStep"):
        AllocationVectorEnv(2, "Disabled", scenario=SMALL)
    with pytest.raises(MarketError, match="users side by side have one seed"):
        AllocationVectorEnv(2, scenario=SMALL).reset(seed=[1, 2])


def test_make_vec_makes_it() -> None:
    many = gym.make_vec("AdArena/Allocation-v0", num_envs=3, scenario=SMALL)
    assert isinstance(many, AllocationVectorEnv)
    assert many.observation_space.shape == (3, 20)
    assert adarena.VECTORS.keys() <= adarena.ENVIRONMENTS.keys()
