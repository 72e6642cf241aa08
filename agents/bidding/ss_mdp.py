"""Bidding by dynamic programming for impressions that are all worth the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dynamic_programming import DynamicProgramming


@dataclass
class SSMDP(DynamicProgramming):
    """bid = max{d: rate_avg + V(n - 1, b - d) - V(n - 1, b) >= 0}: as `RLB`, but each request counts as one of the mean rate.

    The sponsored search MDP of Amin, Kearns, Key & Schwaighofer (UAI 2012), which knows keywords and no features of a
    request, as the baseline SS-MDP of Cai et al. (WSDM 2017) runs it. Sizes and exceptions as in `RLB`.

    Raises:
        PolicyError: if the history tells no market prices.
    """

    OWN_RATE: ClassVar[bool] = False

    requests: int = 1000  # rows of the table; from 2 up
    steps: int = 2000  # of the budget, columns of the table; from 1 up
