"""Saved agents: a zip that carries its own configuration and its networks' weights, and nothing that runs when it is read."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from ...simulator.core.arrays import Floats32
from ...simulator.core.disk import write
from ...simulator.core.errors import PolicyError
from .algorithms import networks
from .network import network_of
from .settings import ALGORITHMS, make_settings

FORMAT = 1
CARD, WEIGHTS = "agent.json", "policy.pt"


@dataclass(frozen=True)
class Card:
    """What an agent is: how it was trained, and what it sees and does."""

    algorithm: str
    settings: Mapping[str, Any]  # of the algorithm
    environment: str  # id
    environment_settings: Mapping[str, Any]
    features: tuple[str, ...]  # names of the observation's numbers
    observation_bounds: tuple[float, float]
    actions: int  # from -1 to 1 each, of all units
    seed: int
    timesteps: int  # trained
    version: str  # of this package
    format: int = FORMAT
    units: int = 1  # of which it sees a row of features each, and for which it acts at once


class Agent:
    """A trained policy at rest: the most likely action, no exploration."""

    def __init__(self, card: Card, policy: Any) -> None:
        self.card, self._policy, self.layers = card, policy, network_of(policy)

    def act(self, observation: Floats32) -> Floats32:
        """The action, shape (actions,), on one observation, shape (units x features,)."""
        action: Floats32 = self.act_on(observation[None])[0]
        return action

    def act_on(self, observations: Floats32) -> Floats32:
        """The action on each of several observations, (n, units x features) to (n, actions); each as on it alone."""
        return self.layers(observations.reshape(-1, self.layers.inputs)).reshape(len(observations), -1)


def save_agent(path: Path, card: Card, policy: Any) -> None:
    """Writes an agent, at once or not at all. `policy` is that of a Stable-Baselines3 model."""
    import torch

    weights = io.BytesIO()
    torch.save(policy.state_dict(), weights)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(CARD, json.dumps(dataclasses.asdict(card), indent=2))
        archive.writestr(WEIGHTS, weights.getvalue())
    write(path, whole.getvalue(), PolicyError)


def agent_file(path: str | Path) -> Path:
    """The file of an agent that is named by it or by the folder of its training."""
    path = Path(path).expanduser()
    return path / "agent.zip" if path.is_dir() else path


def card_of(path: str | Path) -> Card:
    """What a saved agent says of itself, without its networks. Raises `PolicyError` as `load_agent` does."""
    return _read(agent_file(path))[0]


def check_sees(path: str | Path, features: Sequence[str]) -> None:
    """Raises `PolicyError` unless the observations that a saved agent was trained on have these features."""
    seen = card_of(path).features
    if seen != tuple(features):
        raise PolicyError(f"the agent in {str(path)!r} cannot see this: {_difference(seen, tuple(features))}")


def load_agent(path: str | Path) -> Agent:
    """Reads an agent, from its file `agent.zip` or from the folder of its training, which holds it.

    Raises:
        PolicyError: if there is none, or it is damaged.
    """
    file = agent_file(path)
    card, weights = _read(file)
    return Agent(card, _policy(card, weights, file))


def _read(file: Path) -> tuple[Card, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            fields, weights = json.loads(archive.read(CARD)), archive.read(WEIGHTS)
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise PolicyError(f"the agent in {str(file)!r} is not of format {FORMAT}, the one that this version reads")
        low, high = fields["observation_bounds"]
        card = Card(**{**fields, "features": tuple(fields["features"]), "observation_bounds": (float(low), float(high))})
    except OSError as error:
        raise PolicyError(f"there is no agent in {str(file)!r}: {error.strerror}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise PolicyError(f"{str(file)!r} is not a saved agent, or is damaged") from None
    return card, weights


def _difference(known: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """Why one observation is not another."""
    if len(known) != len(wanted):
        return f"it was trained on {len(known)} features and is shown {len(wanted)}"
    place = next(i for i, (a, b) in enumerate(zip(known, wanted, strict=True)) if a != b)
    return f"its feature {place} is {known[place]!r}, and it is shown {wanted[place]!r}"


def _policy(card: Card, weights: bytes, file: Path) -> Any:
    """The networks, filled with the weights."""
    import pickle

    import torch

    low, high = card.observation_bounds
    seen = spaces.Box(low, high, (card.units * len(card.features),), np.float32)
    done = spaces.Box(-1.0, 1.0, (card.actions,), np.float32)
    if card.algorithm not in ALGORITHMS:
        raise PolicyError(f"the agent in {str(file)!r} was trained with {card.algorithm!r}, which is not known here")
    policy = networks(make_settings(card.algorithm, card.settings), seen, done, card.units)
    try:
        policy.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        raise PolicyError(f"the weights in {str(file)!r} do not fit its own description") from None
    policy.set_training_mode(False)
    return policy
