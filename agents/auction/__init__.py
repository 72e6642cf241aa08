"""Auction: one policy, one file, each for the whole market. `POLICIES` names them for the catalogue."""

from ...simulator.seats.auction.decisions import AuctionPolicy
from .constant import Constant
from .empirical import Empirical
from .empirical_vertical import EmpiricalVertical
from .local_search import LocalSearch
from .myerson import Myerson
from .schedule import Schedule
from .usual import Usual

POLICIES: dict[str, type[AuctionPolicy]] = {
    "usual": Usual,
    "constant": Constant,
    "schedule": Schedule,
    "myerson": Myerson,
    "empirical": Empirical,
    "empirical_vertical": EmpiricalVertical,
    "local_search": LocalSearch,
}
