"""`AdArena/Market-v0`: a day of many learners is a day of the market, and of one learner that of `AdArena/Bidding-v0`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from test_vector import same

from adarena.agents.bidding import PID
from adarena.agents.bidding.rivals import rivals
from adarena.agents.crowds import Crowd
from adarena.agents.objectives import score
from adarena.envs.bidding import BiddingEnv
from adarena.envs.market import MarketEnv
from adarena.envs.vector import MarketVectorEnv
from adarena.simulator import BidPolicy, MarketError, Multiplier, PolicyError, Scenario, World
from adarena.simulator.market.market import build
from adarena.simulator.scenario.demand import Advertiser, Campaign, ListedDemand

TINY = Scenario.named("tiny")
TICKS, LISTED = TINY.ticks_per_day, len(build(TINY).campaigns.names)
MIXED_WANTS = TINY.override(
    {
        "traffic.requests_per_day": 2_000,
        "auction.pricing": "first",  # so that who bids above a target pays above it
        "demand": ListedDemand(
            advertisers=tuple(
                Advertiser(name=f"a{n}", vertical=n % 2, campaigns=(campaign,))
                for n, campaign in enumerate(
                    (
                        Campaign(name="value", value_per_conversion=2.0, budget_per_day=20.0),
                        Campaign(name="cpa", objective="target_cpa", target_cpa=0.4, value_per_conversion=2.0),
                        Campaign(name="roas", objective="target_roas", target_roas=3.0, value_per_conversion=3.0),
                        Campaign(name="utility", objective="utility", value_per_conversion=2.0, budget_per_day=30.0),
                    )
                )
            )
        ).model_dump(mode="json"),
    }
)


def actions(seed: int, rows: int) -> np.ndarray:
    """Random actions, shape (ticks, rows)."""
    return np.random.default_rng(seed).uniform(-1, 1, (TICKS, rows)).astype(np.float32)


def episode(env: gym.Env[Any, Any], moves: np.ndarray, **reset: Any) -> tuple[list[np.ndarray], list[float], list[dict]]:
    """Observations, rewards and infos of a day of such actions, those of the reset first."""
    observation, info = env.reset(**reset)
    seen, rewards, told = [observation], [], [info]
    for action in moves:
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        rewards.append(reward)
        told.append(info)
        assert not truncated
        assert terminated == (len(rewards) == len(moves))
    return seen, rewards, told


class Scripted(BidPolicy):
    """Decides given multipliers, tick by tick."""

    def __init__(self, multipliers: np.ndarray) -> None:
        self.multipliers = multipliers

    def decide(self, view: Any) -> Multiplier:
        return Multiplier(self.multipliers[view.tick])


def by_hand(scenario: Scenario, held: list[int], moves: np.ndarray, crowd: str, day: int, cap: float = np.inf) -> World:
    """The day of a world in which policies decide what the actions stand for."""
    prior = build(scenario).campaigns.prior[held]
    multipliers = np.minimum(prior * np.exp(math.log(4.0) * moves.astype(np.float64)), cap)
    rest = [k for k in range(len(build(scenario).campaigns.names)) if k not in held]
    world = World(
        scenario, {"bidding": {**Crowd(crowd).seats(scenario, rest), **dict.fromkeys(held, Scripted(multipliers))}}, seed=day
    )
    world.run()
    return world


@pytest.mark.parametrize(
    ("settings", "crowd"),
    [
        ({}, "mixed"),
        ({"agents": [1, 4, 5]}, "mixed"),
        ({"agents": 0.5, "rivals": "pid+dual"}, "pid+dual"),
        ({"agents": 2, "rivals": ["dual"], "cap": 0.6}, "dual"),
    ],
)
def test_an_episode_is_a_day_of_the_market(settings: dict[str, Any], crowd: str) -> None:
    """The same decisions in a world of one's own bring each row the same value, spend and conversions."""
    env = MarketEnv(TINY, **settings)
    moves = actions(3, env.action_space.shape[0])
    _, rewards, told = episode(env, moves, seed=5)
    held = told[0]["campaigns"].tolist()
    world = by_hand(TINY, held, moves, crowd, told[0]["day"], settings.get("cap", np.inf))
    table, expected = build(TINY).campaigns, build(TINY).expected
    scale = (np.maximum(expected.conversions, 1.0) * table.value)[held]
    value, spend = world.ledger.value()[:, held], world.ledger.spend()[:, held]
    of_rows = np.array([info["unit_rewards"] for info in told[1:]])
    np.testing.assert_array_equal(of_rows, value / scale)
    assert of_rows.dtype == np.float64
    np.testing.assert_array_equal(rewards, of_rows.mean(axis=1))
    for name, books in (
        ("value", value), ("spend", spend), ("conversions", world.ledger.attributed()[:, held]),
        ("multiplier", world.ledger.multiplier[:, held]),
    ):  # fmt: skip
        np.testing.assert_array_equal([info[name] for info in told[1:]], books)
    np.testing.assert_allclose(told[-1]["total_value"], value.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(told[-1]["total_spend"], spend.sum(axis=0), rtol=1e-12)
    assert (told[-1]["total_spend"] <= told[-1]["budget"] + 1e-9).all()
    if "cap" in settings:
        assert world.ledger.multiplier[:, held].max() == settings["cap"]


def test_rewards_follow_what_each_campaign_wants() -> None:
    """The sum over a day is its score, by its own objective, over its own expected value."""
    env = MarketEnv(MIXED_WANTS)
    moves = np.full((TICKS, 4), 0.8, np.float32)
    _, _, told = episode(env, moves, seed=1)
    market = build(MIXED_WANTS)
    world = by_hand(MIXED_WANTS, [0, 1, 2, 3], moves, "mixed", told[0]["day"])
    value, spend = world.ledger.value().sum(axis=0), world.ledger.spend().sum(axis=0)
    table = market.campaigns
    wanted = [float(score(table.listed[k].objective, value[k], spend[k], table.target[k] / table.value[k])) for k in range(4)]
    assert spend[1] > 0.4 * value[1] / 2.0  # so that its target makes a difference
    assert wanted[1] < value[1]
    summed = np.sum([info["unit_rewards"] for info in told[1:]], axis=0)
    np.testing.assert_allclose(summed, wanted / np.maximum(market.expected.conversions * table.value, table.value), rtol=1e-9)


@pytest.mark.parametrize("mix", ["mixed", "dual"])
def test_with_one_campaign_open_it_is_the_bidding_environment(mix: str) -> None:
    """The same observations, rewards and books, to the last bit."""
    one = BiddingEnv(TINY, rivals=mix)
    moves = actions(0, 1)
    seen, rewards, told = episode(one, moves, seed=2)
    campaign, day = told[0]["campaign"], told[0]["day"]
    many = MarketEnv(TINY, agents=[campaign], rivals=mix)
    seen_too, rewards_too, told_too = episode(many, moves, options={"day": day})
    np.testing.assert_array_equal(np.array(seen), np.array(seen_too))
    assert rewards == rewards_too
    for name in ("value", "spend", "conversions", "total_value", "total_spend", "multiplier", "budget"):
        assert [info[name] for info in told] == [info[name].item() for info in told_too]
    assert one.world.ledger.counts.tobytes() == many.world.ledger.counts.tobytes()


def test_a_row_is_what_its_campaign_would_see_alone() -> None:
    """All campaigns are open; one of them, open by itself while the others do the same, sees its row."""
    env = MarketEnv(TINY)
    moves = actions(7, LISTED)
    seen, _, told = episode(env, moves, seed=3)
    rows = np.array(seen).reshape(TICKS + 1, LISTED, -1)
    prior = build(TINY).campaigns.prior
    for k in (0, 5):

        class Others(BidPolicy):
            """Does what everybody but campaign k did."""

            def decide(self, view: Any) -> Multiplier:
                others = [j for j in range(LISTED) if j != k]  # noqa: B023  (used in this round alone)
                return Multiplier(prior[others] * np.exp(math.log(4.0) * moves[view.tick, others].astype(np.float64)))

        others: Any = Others()
        alone = MarketEnv(TINY, agents=[k])
        alone.crowds[0].seats = lambda scenario, held, others=others: dict.fromkeys(held, others)  # type: ignore[method-assign]
        mine, _, _ = episode(alone, moves[:, [k]], options={"day": told[0]["day"]})
        np.testing.assert_array_equal(np.array(mine), rows[:, k])


def test_who_is_open_is_drawn_by_the_seed() -> None:
    env = MarketEnv(TINY, agents=3, rivals=("pid", "dual", "fixed"))
    drawn = [env.reset(seed=seed)[1] for seed in range(30)]
    again = [env.reset(seed=seed)[1] for seed in range(30)]
    assert [d["campaigns"].tolist() for d in drawn] == [d["campaigns"].tolist() for d in again]
    assert {d["rivals"] for d in drawn} == {"pid", "dual", "fixed"}
    assert {k for d in drawn for k in d["campaigns"].tolist()} == set(range(LISTED))
    for d in drawn:
        assert len(set(d["campaigns"].tolist())) == 3
        assert (np.diff(d["campaigns"]) > 0).all()
    info = env.reset(seed=4, options={"agents": [5, build(TINY).campaigns.names[1], 2], "rivals": "pid"})[1]
    assert info["campaigns"].tolist() == [1, 2, 5]
    assert (info["rivals"], info["day"]) == ("pid", drawn[4]["day"])  # what is given changes nothing else
    assert env.names == tuple(build(TINY).campaigns.names[k] for k in (1, 2, 5))
    assert MarketEnv(TINY, agents=0.25).reset(seed=0)[1]["campaigns"].size == round(0.25 * LISTED)
    names = build(TINY).campaigns.names
    assert MarketEnv(TINY, agents=[names[3], 0]).possible == (names[0], names[3])


def test_a_crowd_is_dealt_in_turn_within_each_vertical() -> None:
    scenario = Scenario.named("bidding-small")
    vertical = build(scenario).campaigns.vertical
    seats = Crowd("pid+dual:step=0.1+pid").seats(scenario)
    for v in set(vertical.tolist()):
        dealt = [type(seats[k]).__name__ for k in np.flatnonzero(vertical == v).tolist()]
        assert dealt == (["PID", "DualMirrorDescent", "PID"] * 3)[: len(dealt)]
    assert len({id(policy) for policy in seats.values()}) == 2
    again = Crowd("mixed").seats(scenario)
    there = rivals(scenario, -1)
    assert {k: type(policy) for k, policy in again.items()} == {k: type(policy) for k, policy in there.items()}
    crowd = Crowd("pid")
    assert crowd.seats(scenario)[0] is not crowd.seats(scenario)[0]  # a policy plays in one world at a time
    assert list(crowd.seats(scenario, [4, 2])) == [4, 2]


@pytest.mark.parametrize("settings", [{}, {"agents": 0.5, "rivals": ("mixed", "pid+mpc"), "cap": 1.0}])
def test_many_markets_move_on_together_as_each_alone(settings: dict[str, Any]) -> None:
    together = MarketVectorEnv(3, threads=2, scenario=TINY, **settings)
    apart = SyncVectorEnv([lambda: MarketEnv(TINY, **settings)] * 3)
    dice = np.random.default_rng(0)
    same(together.reset(seed=2), apart.reset(seed=2))
    for _ in range(TICKS + 4):
        moves = dice.uniform(-1, 1, together.action_space.shape).astype(np.float32)
        same(together.step(moves), apart.step(moves))
    together.close()


def test_infos_share_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make("AdArena/Market-v0", scenario=TINY, agents=4)
        env.reset(seed=0)
        told = [env.step(np.zeros(4, np.float32))[4] for _ in range(3)]
    kept = told[0]["budget"].copy()
    told[1]["budget"][:] = -1
    np.testing.assert_array_equal(told[0]["budget"], kept)


def test_a_frame_is_what_the_books_say() -> None:
    env = MarketEnv(TINY, agents=[0, 3], render_mode="ansi")
    env.reset(seed=4)
    for _ in range(5):
        env.step(np.array([0.5, -0.5], np.float32))
    spend, multiplier, value = env.frame().panels
    ledger, budget = env.world.ledger, build(TINY).campaigns.budget[[0, 3]] / 1e6
    assert spend.course[5] == pytest.approx(ledger.spend()[:, [0, 3]].sum() / budget.sum())
    assert spend.others[1].course[5] == pytest.approx((ledger.spend()[:, [0, 3]].sum(axis=0) / budget).max())
    assert multiplier.course[4] == pytest.approx(1.0)
    assert [line.course[4] for line in multiplier.others] == pytest.approx([0.5, 2.0])
    assert value.course[5] == pytest.approx(ledger.value()[:, [0, 3]].sum())
    assert np.isnan(spend.course[6:]).all()
    assert "2 of" in env.render().splitlines()[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"agents": 0}, f"from 1 to {LISTED}, or a share below 1, not 0"),
        ({"agents": LISTED + 1}, f"from 1 to {LISTED}"),
        ({"agents": -0.5}, "or a share below 1, not -0.5"),
        ({"agents": True}, "a list of campaigns, not as True"),
        ({"agents": "c0"}, "a list of campaigns, not as 'c0'"),
        ({"agents": []}, "a list of campaigns"),
        ({"agents": [0, 0]}, "campaign 0 stands twice"),
        ({"agents": ["nobody"]}, "there is no campaign 'nobody' to be an agent"),
        ({"cap": 0}, "the cap is a multiplier above 0, or None, not 0"),
        ({"cap": "x"}, "the cap is a multiplier above 0"),
        ({"rivals": ()}, r"the rivals are the name of a crowd, or several, not \(\)"),
        ({"rivals": 3}, "the rivals are the name of a crowd"),
        ({"rivals": [3]}, "a crowd is the name of a mix of rivals"),
    ],
)
def test_bad_arguments_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words):
        MarketEnv(TINY, **settings)


def test_bad_options_are_one_sentence() -> None:
    env = MarketEnv(TINY, agents=2)
    for options, words in (
        ({"agents": [1]}, "has 2 rows, so as many agents are open, not 1"),
        ({"agents": [1, 99]}, "there is no campaign 99"),
        ({"rivals": 4}, "a crowd is the name of a mix"),
    ):
        with pytest.raises(MarketError, match=words):
            env.reset(options=options)
    with pytest.raises(PolicyError, match="there is no bidding policy 'pdi'; did you mean"):
        MarketEnv(TINY, rivals="pdi")


def test_an_agent_learns_from_each_row_and_bids_in_any_seat(tmp_path: Any) -> None:
    """It is trained on all campaigns at once, and then holds any number of them, with the cap that it was trained with."""
    from adarena.agents.catalogue import make_policy
    from adarena.agents.learning.settings import make_settings
    from adarena.agents.learning.training import train

    few = {"envs": 2, "group": 2, "n_steps": 24, "batch_size": 48, "n_epochs": 1}
    settings = make_settings("ppo", few, "AdArena/Market-v0")
    agent = train("AdArena/Market-v0", settings, 1, 0, tmp_path, environment_settings={"scenario": "tiny", "cap": 0.3})
    assert (agent.card.units, agent.card.actions) == (1, 1)
    learned = make_policy("bidding", f"agent:{tmp_path}")
    world = World(TINY, {"bidding": {0: PID(), **dict.fromkeys(range(1, LISTED), learned)}}, seed=0)
    world.run()
    assert world.ledger.multiplier[:, 1:].max() <= 0.3
    league = MarketEnv(TINY, agents=2, rivals=["pid", f"agent:{tmp_path}"])
    for seed in range(2):
        _, rewards, _ = episode(league, actions(seed, 2), seed=seed)
        assert np.isfinite(rewards).all()
