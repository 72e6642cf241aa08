"""Agents in Python: loaded, saved at rest, made of models that somebody trained with Stable-Baselines3 himself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.wrappers import TransformAction, TransformObservation
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from adarena import Agent, World
from adarena.agents.bidding.rivals import rivals
from adarena.agents.catalogue import describe, make_policy
from adarena.simulator import PolicyError, Scenario

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")


@pytest.fixture(scope="module")
def env() -> gym.Env[Any, Any]:
    return gym.make(ID, scenario="tiny")


def model(kind: Any, env: gym.Env[Any, Any]) -> Any:
    """Untrained, with weights that make it act far from 0."""
    found = kind("MlpPolicy", env, seed=3, device="cpu")
    last = found.policy.action_net if kind in (PPO, A2C) else found.policy.actor.mu
    for parameter in last.parameters():
        parameter.data.mul_(40.0 if kind in (PPO, A2C) else 3.0)
    return found


@pytest.mark.parametrize("kind", [PPO, A2C, SAC, TD3])
def test_a_model_of_ones_own_acts_as_an_agent_as_it_predicts(kind: Any, env: gym.Env[Any, Any]) -> None:
    own = model(kind, env)
    agent = Agent.of(own)
    seen = np.random.default_rng(0).uniform(-5, 5, (200, 22)).astype(np.float32)
    wanted, _ = own.predict(seen, deterministic=True)
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(agent.act_on(seen), wanted, atol=2e-5)
    assert (agent.card.environment, agent.card.environment_settings) == (ID, {"scenario": "tiny"})


def test_a_model_of_ones_own_sits_in_a_seat_and_is_compared_by_its_path(env: gym.Env[Any, Any], tmp_path: Path) -> None:
    model(PPO, env).save(tmp_path / "my_ppo")
    agent = Agent.of(PPO.load(tmp_path / "my_ppo", device="cpu"), ID, scenario="tiny")  # a file does not tell its environment
    file = agent.save(tmp_path / "mine")
    again = Agent.load(tmp_path / "mine")
    assert again.card == agent.card
    assert np.array_equal(again.layers.packed, agent.layers.packed)
    assert file.read_bytes() == again.save(tmp_path / "again.zip").read_bytes()
    spent = []
    for policy in (agent.seated(), make_policy("bidding", f"agent:{file}"), make_policy("bidding", "fixed")):
        world = World(TINY, {"bidding": {**rivals(TINY, 0, "fixed"), 0: policy}}, seed=800_001)
        world.run()
        spent.append(float(world.ledger.spend()[:, 0].sum()))
    assert spent[0] == spent[1] != spent[2]
    assert describe("bidding", make_policy("bidding", f"agent:{tmp_path / 'mine'}")) == f"agent:{file}"


def test_an_agent_at_rest_is_read_without_pytorch(env: gym.Env[Any, Any], tmp_path: Path) -> None:
    agent = Agent.of(model(PPO, env))
    agent.save(tmp_path)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['stable_baselines3'] = None\n"
        "from adarena import Agent; import numpy as np\n"
        f"print(Agent.load({str(tmp_path)!r}).act(np.full(22, .5, np.float32)).item())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(told) == agent.act(np.full(22, 0.5, np.float32)).item()


def test_what_is_no_agent_is_said_in_a_sentence(env: gym.Env[Any, Any], tmp_path: Path) -> None:
    own = model(PPO, env)
    own.save(tmp_path / "my_ppo")
    with pytest.raises(PolicyError, match=r"is a model of Stable-Baselines3; an agent of it is made in Python: Agent\.of\("):
        make_policy("bidding", f"agent:{tmp_path / 'my_ppo.zip'}")
    with pytest.raises(PolicyError, match=r"does not tell what it was trained on: Agent\.of\(model, 'AdArena/Bidding-v0'\)"):
        Agent.of(PPO.load(tmp_path / "my_ppo", device="cpu"))
    with pytest.raises(PolicyError, match=r"trained on observations .*\(22,\).* has .*\(51,\)"):
        Agent.of(own, "AdArena/Compute-v0")
    with pytest.raises(PolicyError, match="there is no environment"):
        Agent.of(own, "Nowhere-v0")


def test_weights_that_do_not_fit_are_refused(env: gym.Env[Any, Any], tmp_path: Path) -> None:
    from zipfile import ZipFile

    file = Agent.of(model(PPO, env)).save(tmp_path / "whole.zip")
    with ZipFile(file) as archive:
        card, content = archive.read("agent.json"), archive.read("layers.npz")
    for name, text, weights in (
        ("cut", card, content[:-200]),
        ("other", card.replace(b'"actions": 1', b'"actions": 2'), content),
    ):
        with ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("agent.json", text)
            archive.writestr("layers.npz", weights)
    with pytest.raises(PolicyError, match="are damaged"):
        Agent.load(tmp_path / "cut.zip")
    with pytest.raises(PolicyError, match="do not fit its own description"):
        Agent.load(tmp_path / "other.zip")


@pytest.mark.parametrize(
    ("wrapped", "told"),
    [
        (lambda env: VecNormalize(DummyVecEnv([lambda: env])), "saw observations through VecNormalize"),
        (lambda env: TransformObservation(env, np.negative, None), "was in an ObservationWrapper"),
        (lambda env: TransformAction(env, np.negative, None), "was in an ActionWrapper"),
    ],
)
def test_what_an_agent_would_not_carry_is_refused(wrapped: Any, told: str, env: gym.Env[Any, Any]) -> None:
    with pytest.raises(PolicyError, match=told):
        Agent.of(model(PPO, wrapped(env)))


def test_rewards_may_be_normalised(env: gym.Env[Any, Any]) -> None:
    agent = Agent.of(model(PPO, VecNormalize(DummyVecEnv([lambda: env]), norm_obs=False)))
    assert agent.card.environment_settings == {"scenario": "tiny"}


def test_a_model_that_was_trained_on_days_for_judging_is_refused() -> None:
    env = gym.make(ID, scenario="tiny", days=(1_000_000, 1_000_008))
    with pytest.raises(PolicyError, match="the others are for judging"):
        Agent.of(model(PPO, env))


def test_layers_of_pytorch_act_as_an_agent(env: gym.Env[Any, Any]) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(22, 8), nn.Tanh(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 1))
    seen = np.random.default_rng(0).uniform(-5, 5, (200, 22)).astype(np.float32)
    wanted = layers(torch.from_numpy(seen)).detach().numpy().clip(-1, 1)
    agent = Agent.of(layers, ID, scenario="tiny")
    np.testing.assert_allclose(agent.act_on(seen), wanted, atol=2e-6)
    assert (agent.card.algorithm, agent.card.timesteps) == ("sequential", 0)
    with pytest.raises(PolicyError, match=r"observations 8 and actions 1, and AdArena/Bidding-v0 has 22 and 1"):
        Agent.of(nn.Sequential(nn.Linear(8, 1)), ID)
    with pytest.raises(PolicyError, match="not of Dropout"):
        Agent.of(nn.Sequential(nn.Linear(22, 1), nn.Dropout()), ID)
    with pytest.raises(PolicyError, match="does not tell what it was trained on"):
        Agent.of(layers)
