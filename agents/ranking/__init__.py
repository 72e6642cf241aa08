"""Ranking: one ranker, one file, each for the whole market. `POLICIES` names them for the catalogue."""

from ...simulator.seats.ranking.decisions import RankingPolicy
from .bid_only import BidOnly
from .constant import Constant
from .dealt import DealtRates
from .ecpm import ECPM
from .epsilon_greedy import EpsilonGreedy
from .newest import Newest
from .pctr_only import PCTROnly
from .popularity import Popularity
from .shuffled import Shuffled
from .squashed import Squashed
from .thompson import Thompson
from .ucb import UCB
from .user_cost import UserCost

POLICIES: dict[str, type[RankingPolicy]] = {
    "random": Shuffled,
    "newest": Newest,
    "popularity": Popularity,
    "bid_only": BidOnly,
    "pctr_only": PCTROnly,
    "ecpm": ECPM,
    "squashed": Squashed,
    "user_cost": UserCost,
    "constant": Constant,
    "dealt": DealtRates,
    "epsilon_greedy": EpsilonGreedy,
    "ucb": UCB,
    "thompson": Thompson,
}
