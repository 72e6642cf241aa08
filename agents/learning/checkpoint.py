"""Checkpoints: all that a training run needs to go on as if it had never stopped, in one file.

Networks, optimisers, counters, replay buffer, random states, and where each environment is. An environment's place is
kept as the random state before its reset and the actions since: it is brought back there by playing them again, which is
exact for any environment whose chance comes from its `np_random`, as Gymnasium asks. Nothing in the file runs when read.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from ...simulator.core.disk import write
from ...simulator.core.errors import PolicyError

# What a replay buffer holds, up to its place.
BUFFERED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class Retraced(gym.Wrapper[Any, Any, Any, Any]):
    """Remembers how the environment came to where it is."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._seed: int | None = None
        self._before: Any = None
        self._actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._seed = seed
        self._before = copy.deepcopy(self.unwrapped.np_random.bit_generator.state) if seed is None else None
        self._actions = []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        self._actions.append(np.array(action).tolist())
        return self.env.step(action)

    def trace(self) -> dict[str, Any]:
        """How to come here, as JSON can hold it."""
        return {"seed": self._seed, "before": self._before, "actions": self._actions}

    def retrace(self, trace: dict[str, Any]) -> Any:
        """Goes where a trace leads; returns the last observation."""
        if trace["seed"] is None:
            self.unwrapped.np_random.bit_generator.state = trace["before"]
        observation, _ = self.reset(seed=trace["seed"])
        self._before = trace["before"]
        for action in trace["actions"]:
            observation = self.step(np.array(action, self.action_space.dtype))[0]
        return observation


def save_checkpoint(path: Path, run: dict[str, Any], model: Any) -> None:
    """Writes a checkpoint of a Stable-Baselines3 model between two rollouts, at once or not at all; `run` says what is run."""
    import torch

    state = {
        "run": json.dumps(run),
        "parameters": model.get_parameters(),
        "counters": json.dumps(
            {"num_timesteps": model.num_timesteps, "_episode_num": model._episode_num, "_n_updates": model._n_updates}
        ),
        "episodes": json.dumps([{k: float(v) for k, v in episode.items()} for episode in model.ep_info_buffer]),
        "observation": torch.from_numpy(np.array(model._last_obs)),
        "starts": torch.from_numpy(np.array(model._last_episode_starts)),
        "place": model.get_env().place(),
        "dice": json.dumps(_dice(model)),
        "torch": torch.get_rng_state(),
        "buffer": _buffered(model),
    }
    file = io.BytesIO()
    torch.save(state, file)
    write(path, file.getvalue(), PolicyError)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint. Raises `PolicyError` if there is none or it cannot be read."""
    import torch

    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except OSError:
        raise PolicyError(f"there is nothing to resume in {str(path.parent)!r}") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        raise PolicyError(f"the checkpoint {str(path)!r} is damaged") from None
    return state


def restore(state: dict[str, Any], model: Any) -> None:
    """Brings a fresh model and its environments to where a checkpoint was written.

    Raises:
        PolicyError: if an environment does not repeat itself, so that the run cannot go on as it would have.
    """
    import torch

    observation = state["observation"].numpy()
    model.get_env().go_to(state["place"], observation)
    model.set_parameters(state["parameters"], exact_match=True)
    for name, value in json.loads(state["counters"]).items():
        setattr(model, name, value)
    model._last_obs, model._last_episode_starts = observation, state["starts"].numpy()
    # So that `learn` neither resets the environments nor forgets the last episodes' returns.
    model.ep_info_buffer, model.ep_success_buffer = _windows(model, json.loads(state["episodes"]))
    if state["buffer"]:
        buffer, held = model.replay_buffer, state["buffer"]
        buffer.pos, buffer.full = held["pos"], held["full"]
        for name in BUFFERED:
            getattr(buffer, name)[: len(held[name])] = held[name].numpy()
    _set_dice(model, json.loads(state["dice"]))
    torch.set_rng_state(state["torch"])


def _windows(model: Any, episodes: list[dict[str, float]]) -> tuple[Any, Any]:
    from collections import deque

    return deque(episodes, maxlen=model._stats_window_size), deque(maxlen=model._stats_window_size)


def _buffered(model: Any) -> dict[str, Any]:
    """The part of the replay buffer that is in use; nothing for an algorithm without one."""
    import torch

    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return {}
    used = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: torch.from_numpy(getattr(buffer, name)[:used].copy()) for name in BUFFERED}
    return {"pos": buffer.pos, "full": buffer.full, **arrays}


def _dice(model: Any) -> dict[str, Any]:
    """The generators that Stable-Baselines3 draws from; those of Python and NumPy are global, and not ours to change."""
    numpy: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    kind, keys, place, has_gauss, gauss = numpy
    return {
        "python": random.getstate(),
        "numpy": [kind, keys.tolist(), place, has_gauss, gauss],
        "actions": model.action_space.np_random.bit_generator.state,
    }


def _set_dice(model: Any, dice: dict[str, Any]) -> None:
    version, state, gauss = dice["python"]
    random.setstate((version, tuple(state), gauss))
    kind, keys, *rest = dice["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    model.action_space.np_random.bit_generator.state = dice["actions"]
