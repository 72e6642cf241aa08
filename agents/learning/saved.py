"""Saved agents: a zip that carries its own configuration and its networks' weights, and nothing that runs when it is read.

One that `train` writes holds all its networks as PyTorch has them. One that `Agent.save` writes is at rest: it holds the layers
that act, as `resting` has them, which takes no PyTorch to read.
"""

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
from ...simulator.core.layers import Layers
from ..zoo import PREFIX, path_of
from .extras import needed
from .resting import from_bytes, to_bytes
from .settings import ALGORITHMS, make_settings

FORMAT = 1
CARD, WEIGHTS, RESTING = "agent.json", "policy.pt", "layers.npz"
THEIRS = "_stable_baselines3_version"  # a member of the files of Stable-Baselines3


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


class Actor:
    """A trained policy at rest: the most likely action, no exploration."""

    def __init__(self, card: Card, layers: Layers, policy: Any = None) -> None:
        self.card, self.layers, self.policy = card, layers, policy  # the policy with its critics, where they were kept

    def save(self, path: str | Path) -> Path:
        """Writes the agent at rest, to a file that ends in .zip or as `agent.zip` into a folder; returns the file.

        Raises:
            PolicyError: if it cannot be written.
        """
        path = Path(path).expanduser()
        file = path if path.suffix == ".zip" else path / "agent.zip"
        _write(file, self.card, RESTING, to_bytes(self.layers))
        return file

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
    _write(path, card, WEIGHTS, weights.getvalue())


def _write(path: Path, card: Card, member: str, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyError(f"cannot write to {str(path.parent)!r}: {error.strerror}") from None
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, text in ((CARD, json.dumps(dataclasses.asdict(card), indent=2)), (member, content)):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)  # the same agent is the same bytes
    write(path, whole.getvalue(), PolicyError)


def agent_file(path: str | Path) -> Path:
    """The file of an agent that is named by it, by the folder of its training, or `zoo:NAME` for one of the package's.

    Raises:
        PolicyError: if the zoo has none of that name.
    """
    if str(path).startswith(PREFIX):
        return path_of(str(path).removeprefix(PREFIX))
    path = Path(path).expanduser()
    return path / "agent.zip" if path.is_dir() else path


def card_of(path: str | Path) -> Card:
    """What a saved agent says of itself, without its networks. Raises `PolicyError` as `load_agent` does."""
    return _read(agent_file(path))[0]


def check_sees(card: Card, features: Sequence[str], name: str) -> None:
    """Raises `PolicyError` unless the observations that an agent was trained on have these features."""
    if card.features != tuple(features):
        raise PolicyError(f"the agent in {name!r} cannot see this: {_difference(card.features, tuple(features))}")


def load_agent(path: str | Path) -> Actor:
    """Reads an agent, from its file `agent.zip`, from the folder of its training, which holds it, or `zoo:NAME`.

    Raises:
        PolicyError: if there is none, or it is damaged.
    """
    file = agent_file(path)
    card, member, content = _read(file)
    if member == RESTING:
        return Actor(card, _resting(card, content, file))
    needed("an agent as `train` writes it")
    from .network import network_of

    policy = _policy(card, content, file)
    return Actor(card, network_of(policy), policy)


def _read(file: Path) -> tuple[Card, str, bytes]:
    """The card of an agent, and what its networks are kept as."""
    try:
        with zipfile.ZipFile(file) as archive:
            if THEIRS in archive.namelist():
                raise PolicyError(
                    f"{str(file)!r} is a model of Stable-Baselines3; an agent of it is made in Python:"
                    f" Agent.of(PPO.load({str(file)!r}), ENVIRONMENT).save(FOLDER), with SAC for PPO if it is one"
                )
            member = RESTING if RESTING in archive.namelist() else WEIGHTS
            fields, content = json.loads(archive.read(CARD)), archive.read(member)
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise PolicyError(f"the agent in {str(file)!r} is not of format {FORMAT}, the one that this version reads")
        low, high = fields["observation_bounds"]
        card = Card(**{**fields, "features": tuple(fields["features"]), "observation_bounds": (float(low), float(high))})
    except OSError as error:
        raise PolicyError(f"there is no agent in {str(file)!r}: {error.strerror}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise PolicyError(f"{str(file)!r} is not a saved agent, or is damaged") from None
    return card, member, content


def _difference(known: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """Why one observation is not another."""
    if len(known) != len(wanted):
        return f"it was trained on {len(known)} features and is shown {len(wanted)}"
    place = next(i for i, (a, b) in enumerate(zip(known, wanted, strict=True)) if a != b)
    return f"its feature {place} is {known[place]!r}, and it is shown {wanted[place]!r}"


def _resting(card: Card, content: bytes, file: Path) -> Layers:
    try:
        layers = from_bytes(content)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        raise PolicyError(f"the weights in {str(file)!r} are damaged") from None
    rows = card.units * len(card.features)
    if rows % layers.inputs or rows // layers.inputs * layers.outputs != card.actions:
        raise PolicyError(f"the weights in {str(file)!r} do not fit its own description")
    return layers


def _policy(card: Card, weights: bytes, file: Path) -> Any:
    """The networks, filled with the weights."""
    import pickle

    import torch

    from .algorithms import networks

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
