"""Bidders: one policy, one file, each vectorised over the campaigns it holds. `agents.catalogue` names them."""

from .dual import DualMirrorDescent
from .fixed import Fixed
from .linear import Linear
from .mcpc import MCPC
from .pid import PID
from .truthful import Truthful
from .uniform_random import UniformRandom

__all__ = ["MCPC", "PID", "DualMirrorDescent", "Fixed", "Linear", "Truthful", "UniformRandom"]
