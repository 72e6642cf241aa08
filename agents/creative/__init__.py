"""Creatives: one policy, one file, each for all ads it holds. `POLICIES` names them for the catalogue."""

from ...simulator.seats.creative.decisions import CreativePolicy
from .best_so_far import BestSoFar
from .by_segment import BySegment
from .content import Content
from .epsilon_greedy import EpsilonGreedy
from .even import EvenRotation
from .hybrid import Hybrid
from .hybrid_history import HybridHistory
from .linear_thompson import LinearThompson
from .linucb import LinUCB
from .one import One
from .thompson import Thompson
from .ucb1 import UCB1

POLICIES: dict[str, type[CreativePolicy]] = {
    "even": EvenRotation,
    "one": One,
    "best": BestSoFar,
    "epsilon_greedy": EpsilonGreedy,
    "ucb1": UCB1,
    "thompson": Thompson,
    "by_segment": BySegment,
    "linucb": LinUCB,
    "linear_thompson": LinearThompson,
    "content": Content,
    "hybrid": Hybrid,
    "hybrid_history": HybridHistory,
}
