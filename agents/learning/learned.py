"""A trained agent in a seat: whichever its environment has left open for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from ...simulator.core.errors import PolicyError
from ...simulator.seats.seat import Policy
from .saved import Actor, Card, agent_file, card_of, check_sees, load_agent
from .shapes import class_of


class Acting(Policy[Any, Any]):
    """Decides as a trained agent would, at its most likely.

    Sees what its environment shows, computed from views alone by the same object (`Vectors`). Each unit, or each group of as
    many as it was trained to see at once, is decided for by itself, so that nothing depends on who else is held.
    """

    def __init__(self, agent: Actor, name: str = "memory") -> None:
        kind = _kind_for(agent.card, name)
        self.seat, self._kind, self._agent, self._name = kind.seat, kind, agent, name

    def start(self, view: Any, dice: np.random.Generator) -> None:
        self._vectors, self._stands = self._kind.vectors_for(self._agent.card.environment_settings), False

    def decide(self, view: Any) -> Any:
        if hasattr(self._vectors, "standing"):  # it is then asked request by request, by the kernels
            decision = None if self._stands else self._vectors.standing(self._agent.layers, view)
            self._stands = True
            return decision
        if hasattr(self._vectors, "waits") and self._vectors.waits(view):  # what it last decided holds for longer
            return None
        observations, units = self._vectors.observe(view), self._agent.card.units
        if len(observations) % units:
            raise PolicyError(f"the agent in {self._name!r} decides for {units} units at once, and holds {len(observations)}")
        rows = observations.reshape(-1, units * observations.shape[1])
        actions = self._agent.act_on(rows).astype(np.float64)
        return self._vectors.decide(view, actions.reshape(len(observations), -1))


@dataclass
class Learned(Acting):
    """An agent that was saved, in its seat; named `agent:PATH` on the command line."""

    path: str  # of a saved agent, or of the folder of its training

    def __post_init__(self) -> None:
        if not self.path:
            raise PolicyError("an agent is needed: name its file or folder: agent:PATH")
        self.path = str(agent_file(self.path))  # results depend on the file alone, not on logs beside it
        _kind_for(card_of(self.path), self.path)  # before its networks, which may not be for what is shown
        super().__init__(load_agent(self.path), self.path)


def _kind_for(card: Card, name: str) -> Any:
    """The class of the environment of an agent, if that still shows what the agent sees."""
    kind = environment_class(card.environment, name)
    check_sees(card, kind.vectors.features, name)
    return kind


def environment_class(environment: str, path: str) -> Any:
    """The class of a registered environment, which names a seat and how it looks to a learner.

    Raises:
        PolicyError: if there is no such environment, or it leaves no seat of a market open.
    """
    try:
        kind = class_of(environment)
    except gym.error.Error:
        raise PolicyError(f"the agent in {path!r} was trained for {environment}, which is not known here") from None
    if not hasattr(kind, "vectors_for"):
        raise PolicyError(f"the agent in {path!r} was trained for {environment}, which leaves no seat of a market open")
    return kind
