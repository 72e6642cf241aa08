"""Pacing: one policy, one file, each vectorised over the campaigns it holds. `POLICIES` names them for the catalogue."""

from ...simulator.seats.pacing.decisions import PacingPolicy
from .constant import Constant
from .dual import DualMirrorDescent
from .dual_replan import ReplanningDual
from .first_price import FirstPrice
from .joint_mpc import JointMPC
from .linkedin import TrafficThrottling
from .mpc import RecedingHorizon
from .none import Unpaced
from .pid import PID
from .plan import MorningPlan
from .prior import Prior
from .uniform import UniformThrottling

POLICIES: dict[str, type[PacingPolicy]] = {
    "none": Unpaced,
    "constant": Constant,
    "prior": Prior,
    "uniform": UniformThrottling,
    "linkedin": TrafficThrottling,
    "pid": PID,
    "dual": DualMirrorDescent,
    "dual_replan": ReplanningDual,
    "mpc": RecedingHorizon,
    "joint_mpc": JointMPC,
    "plan": MorningPlan,
    "first_price": FirstPrice,
}
