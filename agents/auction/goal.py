"""What the rules of an auction are judged by: revenue, what advertisers gain, and what users bear, in one sum of money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ...simulator.core.arrays import Floats
from ..parameters import check_number

SURPLUS, ANNOYANCE = 0.3, 0.1


class Sold(Protocol):
    """What an even day sells, by campaign."""

    @property
    def spend(self) -> Floats:
        """Currency, (K,)."""

    @property
    def impressions(self) -> Floats:
        """(K,)."""


def mean_price(day: Sold) -> float:
    """Of an impression, currency; 0 where none is sold."""
    return float(day.spend.sum()) / max(float(day.impressions.sum()), 1e-12)


@dataclass(frozen=True)
class Goal:
    """Score = revenue + surplus x (value - revenue) - annoyance x price x (impressions - clicks), currency.

    Value less revenue is what advertisers keep; price x (impressions - clicks) the users' cost, impressions that are seen and
    not clicked at what an impression is sold for on an even day (`mean_price`).
    """

    surplus: float = SURPLUS  # weight of advertisers' surplus, from 0 up
    annoyance: float = ANNOYANCE  # in mean prices of an even day, from 0 up

    def __post_init__(self) -> None:
        check_goal(self)

    def score(self, revenue: Any, value: Any, unclicked: Any, price: float) -> Any:
        """Of numbers, or of arrays of one shape; `price` is the mean one of an even day."""
        return revenue + self.surplus * (value - revenue) - self.annoyance * price * unclicked


def check_goal(policy: object) -> None:
    """Refuses weights below 0 as `surplus` and `annoyance` of anything. Raises `PolicyError`."""
    for field in ("surplus", "annoyance"):
        check_number(policy, field, least=0)
