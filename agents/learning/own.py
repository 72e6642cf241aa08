"""Models of Stable-Baselines3 that somebody trained by himself, as agents: whatever acts by plain layers with tanh or ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ... import __version__
from ...simulator.core.errors import AdArenaError, PolicyError
from .network import network_of
from .saved import Actor, Card, check_sees
from .shapes import features_of, made


def actor_of(model: Any, environment: str | None, settings: Mapping[str, Any]) -> Actor:
    """The agent at rest of a model such as PPO, A2C, SAC or TD3.

    Args:
        model: of Stable-Baselines3 or of a library with its interface.
        environment: id of what it was trained on; None: that of the model's own environment, with its settings.
        settings: arguments that the environment was made with, as JSON can hold them.

    Raises:
        PolicyError: if the environment cannot be told or has other spaces, or the network is of another kind.
    """
    if environment is None:
        environment, settings = _trained_on(model)
    env = made(environment, settings)
    try:
        seen, done = env.observation_space, env.action_space
        if model.observation_space != seen or model.action_space != done:
            raise PolicyError(
                f"the model was trained on observations {model.observation_space} and actions {model.action_space}, and "
                f"{environment} has {seen} and {done}"
            )
        assert isinstance(seen, spaces.Box)
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
        seed=int(model.seed or 0),
        timesteps=int(model.num_timesteps),
        version=__version__,
        units=int(np.prod(seen.shape)) // len(names),
    )
    check_sees(card, names, environment)
    return Actor(card, network_of(model.policy), model.policy)


def _trained_on(model: Any) -> tuple[str, Mapping[str, Any]]:
    """What a model was trained on, by the spec of its first environment."""
    envs = model.get_env()
    try:
        spec: gym.envs.registration.EnvSpec | None = None if envs is None else envs.get_attr("spec", [0])[0]
    except (AttributeError, AdArenaError):
        spec = None
    if spec is None:
        raise PolicyError("the model does not tell what it was trained on: Agent.of(model, 'AdArena/Bidding-v0') says so")
    return spec.id, spec.kwargs
