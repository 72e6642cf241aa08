"""An environment is made of what JSON holds, its spec can be written and read back, and a rounding is not an error."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from adarena.envs.bidding import BiddingEnv
from adarena.simulator import AdArenaError, MarketError, PolicyError, Scenario
from adarena.simulator.scenario.presets import PRESETS

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")
CHANGED = TINY.override({"traffic.requests_per_day": 3000, "auction.slots": 2, "auction.exposure": [1.0, 0.7]})
MAPPING = CHANGED.model_dump(mode="json")
FLOAT32 = float(np.nextafter(np.float32(1), np.float32(2)))


def day(env: gym.Env[Any, Any]) -> bytes:
    """Every byte that an agent gets in a day of random actions."""
    dice, (observation, info) = np.random.default_rng(0), env.reset(seed=5)
    got, over = [observation.tobytes(), repr(info).encode()], False
    while not over:
        observation, reward, over, _, info = env.step(dice.uniform(-1, 1, 1).astype(np.float32))
        got += [observation.tobytes(), np.float64(reward).tobytes(), repr(info).encode()]
    return b"".join(got)


@pytest.mark.parametrize("form", [dict, OrderedDict, MappingProxyType, lambda tree: json.loads(json.dumps(tree))])
def test_a_mapping_is_the_scenario_it_describes(form: Any) -> None:
    env = gym.make(ID, scenario=form(MAPPING))
    assert env.unwrapped.scenario == CHANGED  # type: ignore[attr-defined]
    assert day(env) == day(gym.make(ID, scenario=CHANGED)) != day(gym.make(ID, scenario=TINY))


def test_what_a_mapping_leaves_out_is_as_a_scenario_has_it() -> None:
    tree = {"name": "short", "traffic": {"requests_per_day": 2000}}
    assert BiddingEnv(tree).scenario == Scenario(**tree)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {**MAPPING, "auction": {**MAPPING["auction"], "slots": 0}},
        {**MAPPING, "acution": {}},
        {**MAPPING, "traffic": 3},
        {**MAPPING, "days": "two"},
        {1: 2},
    ],
)
def test_errors_of_a_mapping_are_the_scenarios_own(wrong: Any) -> None:
    with pytest.raises(AdArenaError) as own:
        Scenario.from_tree(wrong)
    with pytest.raises(AdArenaError) as caught:
        BiddingEnv(wrong)
    assert (type(caught.value), str(caught.value)) == (type(own.value), str(own.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [CHANGED, MAPPING, "tiny"])
def test_a_spec_is_written_and_makes_the_same_bytes(given: Any) -> None:
    env = gym.make(ID, scenario=given, days=(3, 9), rivals=("pid", "dual"), cpa_limit=np.float64(0.9), render_mode="ansi")
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert day(again) == day(env)
    assert again.render_mode == "ansi"
    assert again.spec == env.spec == pickle.loads(pickle.dumps(env.spec))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_market_survives_its_spec(preset: str) -> None:
    scenario = Scenario.preset(preset).override({"days": 1, "traffic.requests_per_day": 10_000})
    spec = EnvSpec(ID, entry_point="adarena.envs.bidding:BiddingEnv", kwargs={"scenario": scenario})
    env = object.__new__(BiddingEnv)  # the market itself need not be built
    env.spec = spec
    assert env.spec is not None
    assert Scenario.from_tree(EnvSpec.from_json(env.spec.to_json()).kwargs["scenario"]) == scenario
    assert spec.kwargs["scenario"] is scenario  # the one that was given is nobody else's to change


def test_an_environment_registered_with_a_scenario_is_as_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register("Own/Market-v0", entry_point="adarena.envs.bidding:BiddingEnv", kwargs={"scenario": CHANGED})
    env = gym.make("Own/Market-v0")
    assert env.spec is not None
    assert gym.make(EnvSpec.from_json(env.spec.to_json())).unwrapped.scenario == CHANGED  # type: ignore[attr-defined]


def test_an_environment_made_by_hand_has_no_spec() -> None:
    assert BiddingEnv(TINY).spec is None


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("over", [np.float32(FLOAT32), FLOAT32, 1 + 1e-9, np.nextafter(1.0, 2)])
def test_a_rounding_beyond_a_bound_is_the_bound(sign: int, over: Any) -> None:
    env = BiddingEnv(TINY)
    env.reset(seed=0)
    there = env.step(np.array([sign * over]))
    env.reset(seed=0)
    at = env.step(np.array([float(sign)], np.float32))
    np.testing.assert_array_equal(there[0], at[0])
    assert there[1:] == at[1:]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("over", [np.nextafter(FLOAT32, 2), np.nextafter(np.float32(FLOAT32), np.float32(2)), 1.001])
def test_what_lies_further_outside_is_refused(sign: int, over: Any) -> None:
    env = BiddingEnv(TINY)
    env.reset(seed=0)
    with pytest.raises(PolicyError, match=r"an action lies from -1 to 1, not at -?1\.0"):
        env.step(np.array([sign * over]))


def test_a_tanh_of_anything_is_an_action() -> None:
    """Where it saturates, some libraries end a step above 1."""
    env = BiddingEnv(TINY)
    env.reset(seed=0)
    for x in (-1e4, -20.0, -9.01, 9.01, 20.0, 1e4):
        env.step(np.tanh(np.array([x], np.float32)))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_an_environment_says_that_it_cannot_be_copied(copied: Any) -> None:
    env = gym.make(ID, scenario="tiny")
    env.reset(seed=0)
    with pytest.raises(
        MarketError, match=r"neither copied nor pickled within an episode: gymnasium\.make\(env\.spec\) makes another"
    ):
        copied(env)
