"""Models that somebody trained by himself, as agents: of Stable-Baselines3, or plain layers of PyTorch with tanh or ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ... import __version__
from ...simulator.core.errors import AdArenaError, PolicyError
from ...simulator.core.layers import Layers
from ..splits import check_training_days
from .network import network_of
from .saved import Actor, Card, check_sees
from .shapes import features_of, made, size_of


def actor_of(model: Any, environment: str | None, settings: Mapping[str, Any]) -> Actor:
    """The agent at rest of a model such as PPO, A2C, SAC or TD3, or of a `torch.nn.Sequential` of layers with tanh or ReLU.

    Args:
        model: of Stable-Baselines3 or of a library with its interface; or the layers from observation to action, which is
            cut to -1 and 1, by whatever they were trained.
        environment: id of what it was trained on; None: that of the model's own environment, with its settings.
        settings: arguments that the environment was made with, as JSON can hold them.

    Raises:
        PolicyError: if the environment cannot be told or has other spaces, was wrapped in what the agent would not carry, or
            had days that are for judging; or if the network is of another kind.
    """
    if environment is None:
        environment, settings = _trained_on(model)
    check_training_days(settings)
    _check_wrappers(model)
    network = network_of(getattr(model, "policy", model))
    env = made(environment, settings)
    try:
        seen, done = env.observation_space, env.action_space
        assert isinstance(seen, spaces.Box)
        _check_spaces(model, network, env, environment)
        names = features_of(env)
    finally:
        env.close()
    card = Card(
        algorithm=type(model).__name__.lower(),
        settings={},  # they are the model's own
        environment=environment,
        environment_settings=dict(settings),
        features=names,
        observation_bounds=(float(seen.low.min()), float(seen.high.max())),
        actions=int(np.prod(done.shape or ())),
        seed=int(getattr(model, "seed", None) or 0),
        timesteps=int(getattr(model, "num_timesteps", 0)),
        version=__version__,
        units=int(np.prod(seen.shape)) // len(names),
    )
    check_sees(card, names, environment)
    return Actor(card, network, getattr(model, "policy", None))


def _check_spaces(model: Any, network: Layers, env: gym.Env[Any, Any], environment: str) -> None:
    """Whether a model fits an environment: by its spaces, or else by what goes into its layers and comes out."""
    wanted: tuple[Any, Any] = env.observation_space, env.action_space
    if hasattr(model, "observation_space"):
        told = model.observation_space, model.action_space
    else:
        wanted = size_of(env), int(np.prod(env.action_space.shape or ()))
        units = wanted[0] // len(features_of(env))
        rows = units if network.inputs * units == wanted[0] else 1  # it is asked for each unit, or for all at once
        told = rows * network.inputs, rows * network.outputs
    if told != wanted:
        raise PolicyError(
            f"the model was trained on observations {told[0]} and actions {told[1]}, and "
            f"{environment} has {wanted[0]} and {wanted[1]}"
        )


def _check_wrappers(model: Any) -> None:
    """Refuses what changes observations or actions on the way between environment and model: the agent would act without it."""
    envs = model.get_env() if hasattr(model, "get_env") else None
    while envs is not None:
        if type(envs).__name__ == "VecNormalize" and envs.norm_obs:
            raise PolicyError(
                "the model saw observations through VecNormalize, which an agent does not carry: train it without, or with "
                "norm_obs=False (what these environments show is scaled already)"
            )
        if not hasattr(envs, "venv"):
            break
        envs = envs.venv
    for kind in (gym.ObservationWrapper, gym.ActionWrapper):
        if envs is not None and any(envs.env_is_wrapped(kind)):
            raise PolicyError(
                f"the model's environment was in an {kind.__name__}, which an agent does not carry: it would see or do "
                "something else"
            )


def _trained_on(model: Any) -> tuple[str, Mapping[str, Any]]:
    """What a model was trained on, by the spec of its first environment."""
    envs = model.get_env() if hasattr(model, "get_env") else None
    try:
        spec: gym.envs.registration.EnvSpec | None = None if envs is None else envs.get_attr("spec", [0])[0]
    except (AttributeError, AdArenaError):
        spec = None
    if spec is None:
        raise PolicyError("the model does not tell what it was trained on: Agent.of(model, 'AdArena/Bidding-v0') says so")
    return spec.id, spec.kwargs
