"""Bidding by dynamic programming over requests and budget left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dynamic_programming import DynamicProgramming


@dataclass
class RLB(DynamicProgramming):
    """bid = max{d: rate + V(n - 1, b - d) - V(n - 1, b) >= 0}, with n requests and the budget b left, this request included.

    Cai et al., Real-Time Bidding by Reinforcement Learning in Display Advertising (WSDM 2017):
    V(n, b) = sum over d <= a of m(d) (rate_avg + V(n - 1, b - d)) + sum over d > a of m(d) V(n - 1, b), where m is the
    history's distribution of market prices, one auction added at each price, and a the largest price worth paying. Solved
    exactly at the start of a run. A day of more than `requests` is read from the table of `requests` at the same budget per
    request (their mapping for large scale); budgets of more than `steps` steps of price are cut into `steps` coarser ones.
    Without a budget it bids the largest price it knows.

    Raises:
        PolicyError: if the history tells no market prices.
    """

    OWN_RATE: ClassVar[bool] = True

    requests: int = 1000  # rows of the table; from 2 up
    steps: int = 2000  # of the budget, columns of the table; from 1 up
