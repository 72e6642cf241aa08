"""`AdArena/Creative-v0`: an ad's life is what it is in its market, one at a time or side by side; masks, rewards, mistakes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from lanes import assert_so_alone, assert_they_come_back, episodes_of
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from adarena.envs.creative import CreativeEnv, market_of
from adarena.envs.side_by_side import CreativeVectorEnv
from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.delivery.rotation import CreativeSum
from adarena.simulator.engine.ad_lives import AdLives
from adarena.simulator.seats.creative.decisions import CreativeFunction, CreativePolicy
from adarena.simulator.seats.creative.facts import facts
from adarena.simulator.seats.creative.vectors import CreativeVectors, scales
from adarena.simulator.seats.creative.view import Row, rows_of

SMALL = Scenario.preset("creative-small").override(
    {"traffic.requests_per_day": 1500, "demand.campaigns": 6, "users.count": 300, "ticks_per_day": 12, "rates.click_rate": 0.1,
     "demand.conversion_rate": 0.5, "response.window_days": 0.5}
)  # fmt: skip
COLUMNS = ("impressions", "clicks", "expected", "reported", "reports", "closed")


def made(**settings: Any) -> CreativeEnv:
    return CreativeEnv(SMALL, **settings)


def liking(shown: Any) -> int:
    """Of those that have come the one with most clicks here, for how often it was seen."""
    rows = rows_of(shown)
    worth = rows[:, Row.CLICKS_HERE] - 0.2 * rows[:, Row.SHOWN] - rows[:, Row.EXPOSURES] + rows[:, Row.DICE]
    worth += rows[:, Row.REPORTED]
    return int(np.where(rows[:, Row.THERE] > 0, worth, -np.inf).argmax())


class ByLiking(CreativePolicy):
    def decide(self, view: Any) -> Any:
        return None if view.day or view.tick else CreativeFunction(liking)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"days": 3, "fatigue.half_life_s": 40_000.0, "weather.day_sigma": 0.5, "demand.follows_demand": 1.0},
        {
            "fatigue": None,
            "creatives.late": None,
            "demand.ads_per_campaign": 2,
            "auction.slots": 2,
            "auction.exposure": [1, 0.5],
        },
        {"demand.billing": "cpa", "response.hour_amplitude": 0.4, "demand.frequency_cap": 3},
    ],
)
def test_ads_one_by_one_live_as_in_their_world(changes: dict[str, Any]) -> None:
    scenario = SMALL.override(changes)
    world = World(scenario, {"creative": ByLiking()}, seed=5)
    world.run()
    lives = AdLives(scenario, 5, 4)
    lives.seat(np.ones(4, np.bool_))
    width, lanes = world._exchange.state.casting.shown.size, lives.lanes
    assert lanes.shown.shape == (4, width)
    while (lanes.ad >= 0).any():
        lives.step(np.array([liking(row) for row in lanes.shown]))
    mine, theirs = lives.state, world._exchange.state
    for name in ("impressions", "clicks", "expected"):
        np.testing.assert_array_equal(getattr(mine.casting, name), getattr(theirs.casting, name), err_msg=name)
    np.testing.assert_array_equal(mine.rotation.counts, theirs.rotation.counts)
    np.testing.assert_allclose(mine.rotation.sums, theirs.rotation.sums, rtol=1e-12)
    reported = [(s.casting.reported + s.casting.reports.sum(axis=0)) for s in (mine, theirs)]
    np.testing.assert_array_equal(*reported)
    assert theirs.casting.clicks.sum() > 50
    assert reported[0].sum() > 5


def test_an_episode_is_what_its_ad_lives_through_in_the_world_left_open() -> None:
    env, dice, steps = made(), np.random.default_rng(0), list[tuple[Any, ...]]()
    observation, info = env.reset(options={"day": 4, "ad": 2})
    over, reported = False, 0
    while not over:
        action = dice.uniform(-1, 1, 6).astype(np.float32)
        seen = observation
        observation, reward, over, _, info = env.step(action)
        reported += info["reported"]
        steps.append((seen, action, info["creative"], reward))
    market = market_of(SMALL, 4)
    vectors, known = CreativeVectors(facts(market)), scales(facts(market))
    world = World(market, {"creative": {2: Open("request")}}, seed=4)
    for seen, action, creative, _ in steps:
        asked = world.until_asked()
        assert asked is not None
        assert asked.units == (world._rosters[0].seat.units[2],)
        np.testing.assert_array_equal(vectors.observe(asked.view[None], known[None])[0], seen)
        assert vectors.decide(asked.view[None], action[None])[0] == creative
        world.answer(creative)
    assert world.until_asked() is None
    assert world.creatives is not None
    those = slice(12, 18)
    clicks = world._exchange.state.casting.clicks[those].sum()
    assert clicks == info["clicks"] == round(sum(step[3] for step in steps) * env.rules.unit)
    assert info["expected_clicks"] == pytest.approx(world.creatives.sums[CreativeSum.CLICKS, those].sum())
    assert info["impressions"] == len(steps) == world._exchange.state.casting.impressions[those].sum()
    assert 0 < reported <= clicks


def test_conversions_are_paid_as_they_are_reported() -> None:
    clicks, conversions = made(), made(reward="conversions")
    paid = []
    for env in (clicks, conversions):
        env.reset(options={"day": 4, "ad": 1})
        over, total, told = False, 0.0, 0
        while not over:
            _, reward, over, _, info = env.step(np.zeros(6, np.float32))
            total += reward * env.rules.unit
            told += info["reported"]
        paid.append((total, told, info["clicks"]))
    assert paid[0][0] == pytest.approx(paid[0][2])
    assert paid[1][0] == pytest.approx(paid[1][1])
    assert paid[0][1:] == paid[1][1:]
    assert 0 < paid[1][1] < paid[1][2]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("action", ["scores", "creative"])
def test_a_lane_plays_the_episodes_that_its_info_names(mode: str, action: str) -> None:
    many, dice = CreativeVectorEnv(5, mode, scenario=SMALL, action=action), np.random.default_rng(1)

    def choose() -> Any:
        scores = dice.uniform(-1, 1, (5, 6)).astype(np.float32)
        return scores if action == "scores" else np.where(many.action_masks(), scores, -2).argmax(axis=1)

    episodes = episodes_of(many, 1800, choose)
    assert len(episodes) > 20
    assert len({one.whose["day"] for one in episodes}) > 2  # of more than one market
    assert_so_alone(made(action=action), episodes[:12])


def test_lanes_come_back_to_where_they_were() -> None:
    assert_they_come_back(lambda: made().side_by_side(9), np.random.default_rng(0).uniform(-1, 1, (300, 9, 6)))


def test_checkers_have_nothing_to_say() -> None:
    check_env(made(), skip_render_check=True)
    sb3_check_env(gym.make("AdArena/Creative-v0", scenario=SMALL, render_mode=None))


def test_its_spec_makes_it_again_and_a_seed_is_a_run_of_ads() -> None:
    env = gym.make("AdArena/Creative-v0", scenario=SMALL)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    seen = []
    for one in (env, again, env):
        ads = []
        observation, info = one.reset(seed=3)
        for _ in range(2):
            over = False
            while not over:
                ads.append((info["day"], info["ad"], observation.tobytes()))
                observation, _, over, _, info = one.step(np.zeros(6, np.float32))
            observation, info = one.reset()
        seen.append(ads)
    assert seen[0] == seen[1] == seen[2]
    assert len({ad[:2] for ad in seen[0]}) == 2


def test_masks_are_of_those_that_have_come_and_a_choice_beyond_them_is_refused() -> None:
    env = made(action="creative")
    _, info = env.reset(options={"day": 4, "ad": 2})
    first = info["action_mask"].copy()
    assert np.array_equal(first, env.action_masks())
    assert 0 < first.sum() < 6
    early = int(np.flatnonzero(~first)[0])
    with pytest.raises(PolicyError, match=f"the creative in place {early} has not come, or the ad has none there"):
        env.step(early)
    over, masks = False, []
    while not over:
        masks.append(env.action_masks())
        _, _, over, _, info = env.step(int(np.flatnonzero(masks[-1])[-1]))
    assert (np.diff(np.array(masks, int), axis=0) >= 0).all()
    assert masks[-1].sum() > first.sum()


def test_frames_show_the_ad_so_far() -> None:
    env = made(render_mode="ansi")
    with pytest.raises(MarketError, match="nothing to see before an ad has come"):
        env.frame()
    env.reset(options={"day": 4, "ad": 2})
    for _ in range(60):
        _, _, _, _, info = env.step(np.zeros(6, np.float32))
    frame = env.frame()
    assert "60 impressions" in frame.facts
    clicks, impressions, rate = frame.panels
    assert np.nanmax(clicks.course) == info["clicks"]
    assert sum(np.nanmax(line.course) for line in impressions.lines) == 60
    assert np.nanmax(clicks.others[0].course) == pytest.approx(info["expected_clicks"])
    assert 0 < np.nanmax(rate.course) < 1
    assert "ad 2" in env.render()


def test_mistakes_cost_a_sentence() -> None:
    env = made()
    with pytest.raises(MarketError, match=r"call reset$"):
        env.step(np.zeros(6, np.float32))
    for options, words in (
        ({"weather": "fine"}, "there is no option 'weather'; known are day and ad"),
        ({"day": -1}, "the day is a whole number from 0"),
        ({"ad": 6}, "the ad is a whole number from 0 to 5, not 6"),
    ):
        with pytest.raises(MarketError, match=words):
            env.reset(options=options)
    env.reset(seed=0)
    for action, words in ((np.full(6, 1.1), "lies from -1 to 1"), (np.zeros(9), "has shape"), ("up", "from -1")):
        with pytest.raises(PolicyError, match=words):
            env.step(action)
    for changes, words in (
        ({"demand.budget_share": 0.5}, "it has budgets, which clicks use up"),
        ({"creatives": None}, "the creative seat needs creatives"),
        ({"sessions": {"mean_requests": 3.0}}, "it has sessions, which ads cut short"),
    ):
        with pytest.raises(MarketError, match=words):
            CreativeEnv(SMALL.override(changes))
    with pytest.raises(MarketError, match="the action is one of scores, creative, not 'best'"):
        made(action="best")
    with pytest.raises(MarketError, match="the reward is one of clicks, conversions"):
        made(reward="money")
    with pytest.raises(MarketError, match="ads side by side have one seed"):
        CreativeVectorEnv(2, scenario=SMALL).reset(seed=[1, 2])
    with pytest.raises(MarketError, match="make one environment to look at one ad"):
        CreativeVectorEnv(2, scenario=SMALL, render_mode="ansi")
    choosing = made(action="creative")
    choosing.reset(seed=0)
    for action in (6, -1, 0.5, "x"):
        with pytest.raises(PolicyError, match="an action is the place of a creative"):
            choosing.step(action)
