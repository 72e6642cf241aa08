"""Many markets in one step: what `make_vec` makes is, to the last bit, what each environment by itself would bring."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from funnel_markets import market
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TransformAction

import adarena
from adarena.agents.bidding import POLICIES
from adarena.agents.bidding.pid import PID
from adarena.agents.catalogue import make_policy
from adarena.envs.bidding import BiddingEnv
from adarena.envs.together import Cohort
from adarena.envs.vector import BiddingVectorEnv, SeatVectorEnv
from adarena.simulator import BidPolicy, MarketError, Multiplier, PolicyError, Scenario, World
from adarena.simulator.seats.seat import elsewhere

TINY = Scenario.preset("tiny")
MARKETS = {
    "tiny": TINY,
    "funnel": market(),
    "serving": Scenario.preset("overload").override({"traffic.requests_per_day": 20_000}),
    "leads": Scenario.preset("leads").override({"days": 1, "traffic.requests_per_day": 4_000, "users.count": 500}),
    "targets": TINY.override({"demand.objective": "target_cpa", "demand.target_cpa_share": 0.7}),
}
MODES = [mode.value for mode in AutoresetMode]
BY_UNIT = sorted(name for name, policy in POLICIES.items() if vars(policy).get("by_unit"))


def same(one: Any, other: Any) -> None:
    """The same type, shape and bytes, whatever is nested in it."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, tuple | list):
        for a, b in zip(one, other, strict=True):
            same(a, b)
    else:
        assert one == other


def pair(num: int, mode: str, threads: int | None, **settings: Any) -> tuple[Any, SyncVectorEnv]:
    """A vector of worlds that move on together, and one of the same environments stepped one by one."""
    together = BiddingVectorEnv(num, autoreset_mode=mode, threads=threads, **settings)
    return together, SyncVectorEnv([lambda: BiddingEnv(**settings)] * num, autoreset_mode=mode)


def play_alike(vectors: tuple[Any, SyncVectorEnv], mode: str, steps: int) -> None:
    """Takes both of five environments through days of 24 ticks, and holds all that they bring to each other."""
    dice = np.random.default_rng(0)
    same(*(vector.reset(seed=4) for vector in vectors))
    for _ in range(steps):
        actions = dice.uniform(-1, 1, (5, 1)).astype(np.float32)
        one, other = (vector.step(actions) for vector in vectors)
        same(one, other)
        if mode == "Disabled" and one[2].any():
            mask = one[2].copy()
            same(*(vector.reset(options={"reset_mask": mask.copy()}) for vector in vectors))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_it_is_the_environments_one_by_one(mode: str, threads: int) -> None:
    vectors = pair(5, mode, threads, scenario=TINY, rivals=("mixed", "dual"))
    play_alike(vectors, mode, 60)
    for vector in vectors:
        vector.close()


@pytest.mark.parametrize("name", MARKETS)
def test_in_every_kind_of_market(name: str) -> None:
    vectors = pair(3, "NextStep", 2, scenario=MARKETS[name])
    dice = np.random.default_rng(1)
    same(*(vector.reset(seed=[7, 7, 9]) for vector in vectors))
    for _ in range(30):
        actions = dice.uniform(-1, 1, (3, 1)).astype(np.float32)
        same(*(vector.step(actions) for vector in vectors))


def test_some_days_may_begin_anew_while_others_go_on() -> None:
    vectors = pair(4, "Disabled", 2, scenario=TINY)
    dice = np.random.default_rng(2)
    same(*(vector.reset(seed=0) for vector in vectors))
    for step in range(20):
        actions = dice.uniform(-1, 1, (4, 1)).astype(np.float32)
        same(*(vector.step(actions) for vector in vectors))
        if step in (3, 9):
            mask = np.array([step == 3, True, False, step == 9])
            options = {"reset_mask": mask, "rivals": "pid"}
            same(*(vector.reset(seed=step, options=dict(options)) for vector in vectors))


def test_both_engines_are_the_same() -> None:
    vectors = [
        BiddingVectorEnv(2, scenario=TINY.override({"traffic.requests_per_day": 2_000}), engine=e)
        for e in ("compiled", "events")
    ]
    same(*(vector.reset(seed=0) for vector in vectors))
    for _ in range(26):
        same(*(vector.step(np.full((2, 1), 0.3, np.float32)) for vector in vectors))


@pytest.mark.parametrize("name", [name for name in adarena.ENVIRONMENTS if name not in adarena.VECTORS])
def test_make_vec_makes_it(name: str) -> None:
    vector = gym.make_vec(name, num_envs=2, autoreset_mode="SameStep", threads=1)
    one_by_one = gym.make_vec(name, num_envs=2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": "SameStep"})
    assert isinstance(vector.metadata["autoreset_mode"], AutoresetMode)
    for space in ("single_action_space", "action_space", "single_observation_space", "observation_space"):
        assert getattr(vector, space) == getattr(one_by_one, space)
    assert vector.spec is not None
    assert vector.spec.id == name
    same(vector.reset(seed=1), one_by_one.reset(seed=1))
    actions = one_by_one.action_space.sample()
    same(vector.step(actions), one_by_one.step(actions))
    vector.close()
    one_by_one.close()


class Remembers(BidPolicy):
    """Not a dataclass, so nobody else is of its kind."""

    by_unit = True

    def decide(self, view: Any) -> Any:
        return Multiplier(view.prior * (1 + 0.1 * view.tick))


def seats(name: str) -> list[dict[int | str, BidPolicy]]:
    """Who sits in three worlds: one policy with seven campaigns, six with one each, five with one each."""
    single = [{k: make_policy("bidding", name) for k in held} for held in ((1, 2, 3, 4, 5, 7), (1, 2, 4, 5, 7))]
    return [dict.fromkeys(range(1, 8), make_policy("bidding", name)), *single]


def play_together(worlds: dict[int, World]) -> None:
    """Runs worlds in which nobody is seated but elsewhere."""
    cohort = None
    while worlds[0].now < worlds[0].scenario.horizon_us:
        rounds = {n: asked for n, world in worlds.items() if (asked := world.until_round()) is not None}
        if rounds:
            cohort = cohort or Cohort(worlds, rounds, [])
            cohort.decide(worlds, rounds[0].moment, {})


@pytest.mark.parametrize("market", ["tiny", "targets"])
@pytest.mark.parametrize("name", BY_UNIT)
def test_a_policy_by_unit_decides_for_several_worlds_as_for_each(name: str, market: str) -> None:
    """What `by_unit` claims, of every classic that claims it: the same books, to the last bit."""
    scenario = MARKETS[market].override({"days": 2, "demand.campaigns": 12})
    alone = [World(scenario, {"bidding": given}, seed=seed) for seed, given in enumerate(seats(name))]
    for world in alone:
        world.run()
    together = [World(scenario, {"bidding": elsewhere(given)}, seed=seed) for seed, given in enumerate(seats(name))]
    play_together(dict(enumerate(together)))
    for one, other in zip(alone, together, strict=True):
        assert other.ledger.closed == scenario.days * scenario.ticks_per_day
        assert one.ledger.multiplier.tobytes() == other.ledger.multiplier.tobytes()
        assert one.ledger.counts.tobytes() == other.ledger.counts.tobytes()


class Derived(PID):
    """Does what it likes, so it must say for itself whether it decides by unit."""


class Parted(BidPolicy):
    """Not all of what it is stands in fields."""

    by_unit = True

    def __init__(self, share: float, unlike: Any = None) -> None:
        self.share, self.unlike = share, unlike

    def decide(self, view: Any) -> Any:
        return Multiplier(view.prior * self.share)


def test_each_class_says_for_itself_whether_it_decides_by_unit() -> None:
    left = elsewhere({0: Derived(), 1: PID(), 2: (kept := Remembers())})
    assert isinstance(left, dict)
    assert [type(left[k]).__name__ for k in range(3)] == ["Derived", "Elsewhere", "Elsewhere"]
    assert left[2].policy is kept


def test_policies_that_differ_in_anything_are_two() -> None:
    given = {0: Parted(0.5), 1: Parted(0.7), 2: Parted(0.5), 3: Parted(0.9, unlike=[])}
    alone, together = World(TINY, {"bidding": given}, seed=0), World(TINY, {"bidding": elsewhere(given)}, seed=0)
    alone.run()
    play_together({0: together})
    assert alone.ledger.multiplier.tobytes() == together.ledger.multiplier.tobytes()


class Slower(BiddingEnv):
    """Does half of what it is told."""

    def step(self, action: Any) -> Any:
        return super().step(action / 2)


class SlowerVectorEnv(SeatVectorEnv):
    single = Slower


def test_environments_with_a_step_of_their_own_go_alone() -> None:
    assert Slower.together([Slower(TINY)]) is None
    with pytest.raises(MarketError, match="Slower has a step of its own: use vectorization_mode='sync'"):
        SlowerVectorEnv(2, scenario=TINY)


@pytest.mark.parametrize("around", [lambda env: env, lambda env: TransformAction(env, lambda a: a / 2, env.action_space)])
def test_training_asks_together_only_what_gets_the_action_as_it_is(around: Any) -> None:
    from adarena.agents.learning.groups import GroupedEnvs

    envs = GroupedEnvs([lambda: around(gym.make("AdArena/Bidding-v0", scenario=TINY))] * 2, group=1)
    alone = around(BiddingEnv(TINY))
    envs.seed(5)
    same(envs.reset()[0], alone.reset(seed=5)[0])
    for _ in range(5):
        seen, rewards, _, _ = envs.step(np.full((2, 1), 0.8, np.float32))
        one = alone.step(np.full(1, 0.8, np.float32))
        same(seen[0], one[0])
        assert rewards[0] == np.float32(one[1])
    envs.close()


def test_an_environment_has_one_company() -> None:
    vector = BiddingVectorEnv(2, scenario=TINY)
    with pytest.raises(MarketError, match="moves on with others already"):
        BiddingEnv.together(vector.envs)
    vector.close()
    assert BiddingEnv.together(vector.envs) is not None


def test_a_day_that_began_with_others_is_taken_up_by_nobody_else() -> None:
    vector = BiddingVectorEnv(2, scenario=TINY)
    vector.reset(seed=0)
    vector.step(np.zeros((2, 1), np.float32))
    vector.close()
    assert BiddingEnv.together(vector.envs) is not None
    with pytest.raises(MarketError, match="a day that began with other environments cannot be taken up: reset first"):
        vector.envs[0].step(np.zeros(1, np.float32))


def test_environments_that_look_at_different_limits_see_what_each_would_alone() -> None:
    limits = (0.5, 2.0, 0.5)
    together, alone = ([BiddingEnv(TINY, cpa_limit=limit) for limit in limits] for _ in range(2))
    company = BiddingEnv.together(together, 1)
    assert company is not None
    same(*([env.reset(seed=1) for env in envs] for envs in (together, alone)))
    for _ in range(24):
        company.advance([np.full(1, 0.1, np.float32)] * 3, range(3))
        same(*([env.step(np.full(1, 0.1, np.float32)) for env in envs] for envs in (together, alone)))


def test_who_bids_by_request_or_rolls_dice_is_not_by_unit() -> None:
    assert {"pid", "fixed", "dual"} <= set(BY_UNIT)
    assert not {"random", "throttling", "ortb", "online_lp", "rlb", "ss_mdp", "shading"} & set(BY_UNIT)


def test_what_is_left_elsewhere_cannot_be_run_alone() -> None:
    world = World(TINY, {"bidding": elsewhere(Remembers())})
    with pytest.raises(MarketError, match="holds units of several worlds: run them together"):
        world.until_asked()
    with pytest.raises(MarketError, match="left open"):
        world.run()


def test_an_environment_of_a_vector_may_be_driven_by_itself_from_its_reset_on() -> None:
    vector, alone = BiddingVectorEnv(2, scenario=TINY), BiddingEnv(TINY)
    one = vector.envs[0]
    same(one.reset(seed=3), alone.reset(seed=3))
    for _ in range(24):
        same(one.step(np.full(1, 0.2, np.float32)), alone.step(np.full(1, 0.2, np.float32)))
    vector.reset(seed=0)
    vector.step(np.zeros((2, 1), np.float32))
    with pytest.raises(MarketError, match="days began together go on together: step all, or reset the others"):
        one.step(np.zeros(1, np.float32))


def test_a_wrong_action_changes_nothing() -> None:
    vectors, actions = pair(2, "Disabled", 2, scenario=TINY), np.array([[0.0], [2.0]], np.float32)
    same(*(vector.reset(seed=0) for vector in vectors))
    with pytest.raises(PolicyError, match="an action lies from -1 to 1, not at 2"):
        vectors[0].step(actions)
    for many in (1, 3):
        with pytest.raises(PolicyError, match=f"actions are one for each of 2 environments, not {many} of them"):
            vectors[0].step(np.zeros((many, 1), np.float32))
    same(*(vector.step(actions / 2) for vector in vectors))


def test_a_day_that_is_over_spoils_no_other() -> None:
    vector, stay = BiddingVectorEnv(2, autoreset_mode="Disabled", scenario=TINY), np.zeros((2, 1), np.float32)
    vector.reset(seed=0)
    for _ in range(3):
        vector.step(stay)
    vector.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(21):
        vector.step(stay)
    with pytest.raises(MarketError, match="it is over"):
        vector.step(stay)
    vector.reset(options={"reset_mask": np.array([False, True])})
    vector.step(stay)


def test_a_step_that_was_interrupted_half_way_cannot_be_taken_up_again() -> None:
    vector, actions = BiddingVectorEnv(2, scenario=TINY), np.zeros((2, 1), np.float32)
    vector.reset(seed=0)
    vector._together.advance(actions, [0, 1])  # and before all environments have told of it somebody presses Ctrl-C
    vector.envs[0].step(actions[0])
    with pytest.raises(MarketError, match="was interrupted; call reset"):
        vector.step(actions)
    vector.reset(seed=0)
    vector.step(actions)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_envs": 0}, "num_envs is a whole number from 1 up, not 0"),
        ({"num_envs": 2, "threads": 0}, "threads are a whole number from 1 up, not 0"),
        ({"num_envs": 2, "autoreset_mode": "never"}, "the autoreset_mode is one of Disabled, NextStep, SameStep, not 'never'"),
        ({"num_envs": 2, "max_episode_steps": 5}, "an episode ends with its day; .* vectorization_mode='sync'"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(MarketError, match=words):
        BiddingVectorEnv(scenario=TINY, **arguments)
