"""A trained agent in the bid seat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...simulator.core.errors import PolicyError
from ...simulator.seats.bidding.decisions import BidPolicy, BidView, Decision, Multiplier
from .features import FEATURES, Observer, multipliers
from .saved import agent_file, load_agent

ENVIRONMENT = "AdArena/Bidding-v0"


@dataclass
class Learned(BidPolicy):
    """Bids as an agent trained on `AdArena/Bidding-v0` would: multiplier = prior x exp(log(4) action), at its most likely.

    Sees what the environment shows, computed from views alone by the same function. Each campaign is decided for by itself,
    so that nothing depends on who else is held. Named `agent:PATH` on the command line.
    """

    path: str  # of a saved agent, or of the folder of its training

    def __post_init__(self) -> None:
        if not self.path:
            raise PolicyError("an agent is needed: name its file or folder: agent:PATH")
        self.path = str(agent_file(self.path))  # results depend on the file alone, not on logs beside it
        self._agent = load_agent(self.path, ENVIRONMENT, FEATURES)

    def start(self, view: BidView, dice: np.random.Generator) -> None:
        self._observer = Observer(float(self._agent.card.environment_settings.get("cpa_limit", 1.0)))

    def decide(self, view: BidView) -> Decision:
        observations = self._observer.observe(view)
        actions = np.array([self._agent.act(row)[0] for row in observations], np.float64)
        return Multiplier(multipliers(view.prior, actions))
