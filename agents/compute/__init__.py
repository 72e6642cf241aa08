"""Compute: one policy, one file, each vectorised over the traffic tiers it holds. `POLICIES` names them for the catalogue."""

from ...simulator.seats.compute.decisions import ComputePolicy
from .cras import ResponseTime
from .dcaf import DCAF
from .greedy import QueueAware
from .ladder import Ladder
from .mpc import RecedingHorizon
from .planned import Planned
from .static import Static
from .tilted_mpc import TiltedMPC
from .uniform_random import UniformRandom

POLICIES: dict[str, type[ComputePolicy]] = {
    "planned": Planned,
    "static": Static,
    "random": UniformRandom,
    "ladder": Ladder,
    "greedy": QueueAware,
    "dcaf": DCAF,
    "cras": ResponseTime,
    "mpc": RecedingHorizon,
    "tilted_mpc": TiltedMPC,
}
