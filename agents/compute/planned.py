"""The scenario's own quotas and ladder."""

from __future__ import annotations

from dataclasses import dataclass

from ...simulator.seats.compute.decisions import ComputePolicy
from ...simulator.seats.compute.view import ComputeView


@dataclass
class Planned(ComputePolicy):
    """Decides nothing: full quotas, and the scenario's steps down for requests that have waited."""

    def decide(self, view: ComputeView) -> None:
        return None
