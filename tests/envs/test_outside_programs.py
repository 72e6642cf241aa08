"""Programs of others drive the environment unmodified; those that are not installed are passed over, which is said."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from adarena.simulator import Scenario

ID = "AdArena/Bidding-v0"
TINY = Scenario.named("tiny")
DAY = TINY.ticks_per_day
MARKET = TINY.model_dump(mode="json")
SMALL = {"net_arch": [8]}
ROLLOUT = {"n_steps": DAY, "batch_size": DAY}


def installed(name: str) -> Any:
    """A program, or the sentence that it is not there; what it warns of on import is its own."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


def make(**changes: Any) -> gym.Env[Any, Any]:
    return gym.make(ID, scenario="tiny", **changes)


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "SAC", "TD3", "DDPG"])
def test_stable_baselines3_learns(algorithm: str) -> None:
    sb3 = installed("stable_baselines3")
    more: dict[str, Any] = {"PPO": {**ROLLOUT, "n_epochs": 1}, "A2C": {"n_steps": DAY}}.get(algorithm, {"learning_starts": DAY})
    model = getattr(sb3, algorithm)("MlpPolicy", make(), seed=0, device="cpu", policy_kwargs=dict(SMALL), **more)
    model.learn(2 * DAY)
    assert model.num_timesteps >= 2 * DAY
    assert len(model.ep_info_buffer) >= 1


@pytest.mark.parametrize("vector", ["DummyVecEnv", "SubprocVecEnv"])
def test_stable_baselines3_makes_many_and_sees_them(vector: str) -> None:
    installed("stable_baselines3")
    from stable_baselines3.common import env_util, vec_env

    kind = getattr(vec_env, vector)
    name = f"adarena:{ID}"  # fresh processes find it by its module, as any environment that is not gymnasium's own
    arguments = {"scenario": MARKET, "render_mode": "rgb_array"}
    envs = env_util.make_vec_env(name, 2, seed=3, vec_env_cls=kind, env_kwargs=arguments)
    envs.reset()
    seen, *_ = envs.step(np.zeros((2, 1), np.float32))
    assert seen.shape[0] == 2
    assert np.shape(envs.render(mode="rgb_array"))[2] == 3
    envs.close()


@pytest.mark.parametrize(
    ("algorithm", "policy", "more"),
    [
        ("TQC", "MlpPolicy", {"learning_starts": DAY, "policy_kwargs": SMALL}),
        ("RecurrentPPO", "MlpLstmPolicy", {**ROLLOUT, "n_epochs": 1, "policy_kwargs": {**SMALL, "lstm_hidden_size": 8}}),
        ("TRPO", "MlpPolicy", {**ROLLOUT, "policy_kwargs": SMALL}),
        ("ARS", "LinearPolicy", {"n_delta": 1}),
    ],
)
def test_sb3_contrib_learns(algorithm: str, policy: str, more: dict[str, Any]) -> None:
    contrib = installed("sb3_contrib")
    model = getattr(contrib, algorithm)(policy, make(), seed=0, device="cpu", **deepcopy(more))  # it writes into them
    model.learn(2 * DAY)
    assert model.num_timesteps >= 2 * DAY


@pytest.mark.filterwarnings("ignore")  # its own
@pytest.mark.parametrize("more", [{}, {"from_pixels": True, "pixels_only": False}])
def test_torchrl_rolls_out(more: dict[str, Any]) -> None:
    installed("torchrl")
    from torchrl.envs import GymEnv, check_env_specs

    env = GymEnv(ID, scenario="tiny", device="cpu", **more)
    check_env_specs(env)
    env.set_seed(0)
    days = env.rollout(10 * DAY, auto_reset=True)
    assert days.shape == (DAY,)
    assert days["next", "terminated"].flatten().tolist() == [False] * (DAY - 1) + [True]
    assert not days["next", "truncated"].any()
    env.close()


@pytest.mark.filterwarnings("ignore")  # its own
def test_tianshou_trains() -> None:
    installed("tianshou.highlevel.experiment")  # which needs tianshou[eval]
    from tianshou.highlevel.config import OnPolicyTrainingConfig
    from tianshou.highlevel.env import EnvFactoryRegistered, VectorEnvType
    from tianshou.highlevel.experiment import ExperimentConfig, PPOExperimentBuilder

    factory = EnvFactoryRegistered(task=ID, venv_type=VectorEnvType.DUMMY, scenario="tiny")
    training = OnPolicyTrainingConfig(
        max_epochs=1, epoch_num_steps=2 * DAY, num_training_envs=2, num_test_envs=1, buffer_size=2 * DAY,
        collection_step_num_env_steps=2 * DAY, batch_size=DAY, update_step_num_repetitions=1,
    )  # fmt: skip
    experiment = PPOExperimentBuilder(factory, ExperimentConfig(persistence_enabled=False, watch=False), training).build()
    found = experiment.run().trainer_result
    assert found is not None
    assert found.update_step >= 1
    assert np.isfinite(found.best_reward)


@pytest.mark.filterwarnings("ignore")  # its own
@pytest.mark.parametrize("scenario", [TINY, MARKET, "tiny"], ids=["scenario", "mapping", "name"])
def test_minari_keeps_days_and_recovers_their_market(scenario: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = installed("minari")
    installed("h5py")
    installed("jax")  # minari stacks its records with it
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make(ID, scenario=scenario))
    env.reset(seed=1)
    actions = np.random.default_rng(0).uniform(-1, 1, (DAY, 1)).astype(np.float32)
    for action in actions:
        env.step(action)
    env.create_dataset("adarena/random-v0", algorithm_name="random")
    kept = minari.load_dataset("adarena/random-v0")
    (episode,) = kept.iterate_episodes()
    again = kept.recover_environment()
    seen, rewards = [again.reset(seed=1)[0]], []
    for action in episode.actions:
        observation, reward, *_ = again.step(action)
        seen.append(observation)
        rewards.append(reward)
    assert again.unwrapped.scenario == TINY
    np.testing.assert_array_equal(episode.observations, seen)
    np.testing.assert_array_equal(episode.rewards, np.array(rewards, episode.rewards.dtype))


@pytest.mark.filterwarnings("ignore")  # pygame's own
def test_a_window_of_pygame_shows_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    installed("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.wrappers.HumanRendering(make(render_mode="rgb_array"))
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    assert env.window.get_size() == (960, 540)  # type: ignore[union-attr]
    env.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasium_makes_a_vector_of_a_mapping(mode: str) -> None:
    envs = gym.make_vec(ID, 2, vectorization_mode=mode, scenario=MARKET, render_mode="rgb_array")
    envs.reset(seed=0)
    envs.step(np.zeros((2, 1), np.float32))
    assert np.shape(envs.render()) == (2, 540, 960, 3)
    envs.close()


def test_wrappers_that_programs_put_around_it_do_not_mind() -> None:
    """Those of CleanRL's scripts for continuous actions, in their order."""
    env: Any = gym.wrappers.FlattenObservation(make())
    env = gym.wrappers.RecordEpisodeStatistics(env)
    env = gym.wrappers.ClipAction(env)
    env = gym.wrappers.NormalizeObservation(env)
    env = gym.wrappers.TransformObservation(env, lambda seen: np.clip(seen, -10, 10), env.observation_space)
    env = gym.wrappers.NormalizeReward(env, gamma=0.99)
    env = gym.wrappers.TransformReward(env, lambda reward: float(np.clip(reward, -10, 10)))
    env.reset(seed=0)
    info: dict[str, Any] = {}
    for action in np.random.default_rng(0).normal(0, 2, (DAY, 1)).astype(np.float32):
        *_, info = env.step(action)
    assert info["episode"]["l"] == DAY
