"""Environments that an agent can be trained on: made by name, with flat observations, whose numbers have names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator

from ... import ENVIRONMENTS
from ...simulator.core.errors import PolicyError, suggest


def size_of(env: gym.Env[Any, Any]) -> int:
    """Of a flat observation."""
    return int(np.prod(env.observation_space.shape or ()))


def features_of(env: gym.Env[Any, Any]) -> tuple[str, ...]:
    """Names of the numbers of which an observation has a row for each unit."""
    names = env.unwrapped.metadata.get("features")
    return tuple(names or (f"observation_{i}" for i in range(size_of(env))))


def class_of(environment: str) -> Any:
    """What makes a registered environment, as a rule its class. Raises `gymnasium.error.Error` if there is none."""
    entry: Any = gym.spec(environment).entry_point
    return entry if callable(entry) else load_env_creator(entry)


def made(environment: str, arguments: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """An environment. Raises `PolicyError` if there is none of that name, or it has other spaces."""
    try:
        env = gym.make(environment, **arguments)
    except gym.error.Error as error:
        meant = next((name for name in ENVIRONMENTS if environment.lower() in name.lower()), None)
        hint = f"did you mean {meant!r}?" if meant else str(error)
        raise PolicyError(f"there is no environment {environment!r}: {hint}") from None
    except TypeError as error:
        known = inspect.signature(class_of(environment)).parameters
        unknown = [name for name in arguments if name not in known]
        if not unknown:
            raise
        raise PolicyError(f"{environment} has no argument {unknown[0]!r}{suggest(unknown[0], known)}") from error
    seen, done = env.observation_space, env.action_space
    if (
        isinstance(seen, spaces.Box)
        and isinstance(done, spaces.Box)
        and len(seen.shape) == len(done.shape) == 1
        and np.all(done.low == -1)
        and np.all(done.high == 1)
    ):
        return env
    raise PolicyError(f"{environment} does not have flat observations and actions from -1 to 1")
