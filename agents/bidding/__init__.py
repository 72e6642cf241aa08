"""Bidders: one policy, one file, each vectorised over the campaigns it holds. `agents.catalogue` names them."""

from .adaptive_pacing import AdaptivePacing
from .auctionnet_pid import AuctionNetPID
from .dual import DualMirrorDescent
from .first_price_shading import FirstPriceShading
from .fixed import Fixed
from .linear import Linear
from .mcpc import MCPC
from .min_pacing import MinPacing
from .mpc import RecedingHorizon
from .multiplicative_pacing import MultiplicativePacing
from .online_lp import OnlineLP
from .ortb import ORTB
from .pid import PID
from .rlb import RLB
from .ss_mdp import SSMDP
from .target_cpa_dual import TargetCPADual
from .throttling import Throttling
from .truthful import Truthful
from .uniform_random import UniformRandom

__all__ = [
    "MCPC", "ORTB", "PID", "RLB", "SSMDP", "AdaptivePacing", "AuctionNetPID", "DualMirrorDescent", "FirstPriceShading",
    "Fixed", "Linear", "MinPacing", "MultiplicativePacing", "OnlineLP", "RecedingHorizon", "TargetCPADual", "Throttling",
    "Truthful", "UniformRandom",
]  # fmt: skip
