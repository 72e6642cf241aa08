"""Bidding: one policy, one file, each vectorised over the campaigns it holds. `POLICIES` names them for the catalogue."""

from ...simulator.seats.bidding.decisions import BidPolicy
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

POLICIES: dict[str, type[BidPolicy]] = {
    "truthful": Truthful,
    "fixed": Fixed,
    "random": UniformRandom,
    "mcpc": MCPC,
    "lin": Linear,
    "ortb": ORTB,
    "pid": PID,
    "auctionnet_pid": AuctionNetPID,
    "dual": DualMirrorDescent,
    "adaptive": AdaptivePacing,
    "multiplicative": MultiplicativePacing,
    "throttling": Throttling,
    "tcpa_dual": TargetCPADual,
    "min_pacing": MinPacing,
    "online_lp": OnlineLP,
    "mpc": RecedingHorizon,
    "ss_mdp": SSMDP,
    "rlb": RLB,
    "shading": FirstPriceShading,
}
