"""Allocation: one policy, one file, each a pattern or a compiled rule of pages. `POLICIES` names them for the catalogue."""

from ...simulator.seats.allocation.decisions import AllocationPolicy
from .believed import Believed
from .every import Every
from .fixed import Fixed
from .gap import Gap
from .gap_effect import GapEffect
from .hinted import Hinted
from .most import Most
from .myopic import Myopic
from .never import Never
from .planned import Planned
from .shadow import Shadow
from .state import State
from .threshold import Threshold
from .usual import Usual

POLICIES: dict[str, type[AllocationPolicy]] = {
    "never": Never,
    "usual": Usual,
    "most": Most,
    "every": Every,
    "fixed": Fixed,
    "threshold": Threshold,
    "gap": Gap,
    "gap_effect": GapEffect,
    "myopic": Myopic,
    "shadow": Shadow,
    "state": State,
    "planned": Planned,
    "hinted": Hinted,
    "believed": Believed,
}
