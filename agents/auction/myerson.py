"""The optimal reserve of auction theory, for log-normal bids fitted to what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_ndtr

from ...simulator.core.arrays import Floats
from ...simulator.engine.exchange import LARGEST_SQUASHING
from ...simulator.market.rehearsal import Rehearsal
from ...simulator.seats.auction.decisions import Sale
from ...simulator.seats.auction.verticals import Verticals, bids
from ...simulator.seats.auction.view import AuctionView
from ..parameters import LogUniform, Range, Uniform, check_number
from .trials import Trying, bounded_reserve

HALVINGS = 50
FARTHEST = 12.0  # standard deviations from the mean of the log, between which the reserve is looked for
LEAST_DEVIATION = 1e-3  # of the log: bids that are all the same


@dataclass
class Myerson(Trying):
    """For each vertical the bid whose virtual value is 0, of bids for an impression of its campaigns as if they were alone.

    Under `Goal` that is: (1 - surplus) (r - (1 - F(r)) / f(r)) + surplus r = cost, which is Myerson's (1981) for revenue alone
    and an auctioneer's own value of `cost`, here what an impression costs its user. Bids of a vertical are taken for
    independent draws from one log-normal, which bids of few campaigns for the same request are not.
    """

    SPACE: ClassVar[Mapping[str, Range]] = {"factor": LogUniform(0.1, 1.5), "squashing": Uniform(0.0, 1.2)}

    factor: float = 1.0  # on what theory says, above 0
    squashing: float = 1.0  # from 0 up, at most 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "factor", above=0)
        check_number(self, "squashing", least=0, most=LARGEST_SQUASHING)

    def decide(self, view: AuctionView) -> Sale:
        mean, deviation = fitted(view, self.requests(view, view.told.tick), self.verticals)
        reserve = optimal_reserve(mean, deviation, self.surplus, self.annoyance * self.price)
        return Sale(bounded_reserve(self.factor * reserve)[self.verticals.of], self.squashing)


def fitted(view: AuctionView, requests: Rehearsal, verticals: Verticals) -> tuple[Floats, Floats]:
    """Means and standard deviations of the logs of bids for an impression, by vertical, (V,) each.

    Of all its campaigns that bid, in all requests. A vertical in which nobody does has a mean of -inf.
    """
    who = requests.who if requests.who.size else np.arange(len(requests.rate))[:, None]
    bid = bids(view)[who] * requests.rate
    there = bid > 0
    of, logs = np.broadcast_to(verticals.of[who], bid.shape)[there], np.log(bid[there])
    count = np.maximum(np.bincount(of, minlength=verticals.count), 1)
    mean = np.bincount(of, logs, verticals.count) / count
    square = np.bincount(of, (logs - mean[of]) ** 2, verticals.count) / count
    return np.where(np.bincount(of, minlength=verticals.count) > 0, mean, -np.inf), np.sqrt(square)


def optimal_reserve(mean: Floats, deviation: Floats, surplus: float, cost: float) -> Floats:
    """The reserve, of any shape, where logs of bids are normal with such means and deviations.

    The root of r (1 - (1 - surplus) deviation M(z)) = cost, M the Mills ratio of the normal at z = (log r - mean) / deviation:
    (1 - F) / f is r deviation M(z). As M falls in z there is but one. A surplus above 1 counts as 1: who wants to give more
    than there is to gain has no use for a reserve.
    """
    spread, share = np.maximum(deviation, LEAST_DEVIATION), max(1.0 - surplus, 0.0)
    low, high = np.full(np.shape(mean), -FARTHEST), np.full(np.shape(mean), FARTHEST)
    for _ in range(HALVINGS):
        z = (low + high) / 2
        mills = np.exp(log_ndtr(-z) + z**2 / 2 + np.log(2 * np.pi) / 2)
        enough = np.exp(mean + spread * z) * (1.0 - share * spread * mills) >= cost
        low, high = np.where(enough, low, z), np.where(enough, z, high)
    reserve: Floats = np.exp(mean + spread * high)
    return reserve
