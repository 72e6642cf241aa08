"""An agent as one has it in Python: loaded, or made of a model of one's own; it acts on observations, or sits in a world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .learned import Acting
from .own import actor_of
from .saved import Actor, load_agent


class Agent(Actor):
    """A trained agent; `act` answers observations as Gymnasium gives them, `seated` is a policy for the seat of a `World`."""

    @classmethod
    def load(cls, path: str | Path) -> Agent:
        """Reads an agent, from its file or the folder of its training, or `zoo:NAME`.

        Raises:
            PolicyError: if there is none, or it is damaged, or a model of Stable-Baselines3 that `of` takes.
        """
        return cls._from(load_agent(path))

    @classmethod
    def of(cls, model: Any, environment: str | None = None, **environment_settings: Any) -> Agent:
        """An agent from a model of Stable-Baselines3 or layers of PyTorch, trained by whoever; see `own.actor_of`."""
        return cls._from(actor_of(model, environment, environment_settings))

    @classmethod
    def _from(cls, actor: Actor) -> Agent:
        return cls(actor.card, actor.layers, actor.policy)

    def seated(self) -> Acting:
        """A policy for the seat that its environment leaves open, e.g. `World("tiny", {"bidding": {0: agent.seated()}})`.

        Raises:
            PolicyError: if its environment leaves no seat of a market open, or shows something else by now.
        """
        return Acting(self)
