"""Who knows every click rate: the ranking that a perfect model of clicks would allow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...simulator.core.arrays import Integers
from ...simulator.core.errors import MarketError
from ...simulator.delivery.models import Batch
from ...simulator.market.market import build, of_run
from ...simulator.population.rates import click_table
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.ranking.decisions import Believe, RankingPolicy, Weights
from ...simulator.seats.ranking.view import RankingView


class Truth:
    """A model of click rates that says the truth of a world of that seed; see `RateModel`.

    Raises:
        MarketError: if clicks depend on more than user and ad.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        market = of_run(scenario, build(scenario), seed)
        if market.ads is None or scenario.asks or scenario.creatives is not None:
            raise MarketError(f"in scenario {scenario.name!r} clicks depend on more than user and ad")
        self._users, self._ads, self._bias = market.users.interests, market.ads.vectors, market.ads.bias
        self._table = market.clicks if market.clicks.size else click_table(market.users, market.ads)

    def rates(self, requests: Batch, ads: Integers) -> Any:
        """See `RateModel`."""
        if self._table.size:
            found = self._table[requests.user]
            return found[:, ads] if ads.ndim == 1 else np.take_along_axis(found, np.maximum(ads, 0), axis=1)
        people, vectors = self._users[requests.user].astype(np.float64), self._ads[ads].astype(np.float64)
        product = people @ vectors.T if ads.ndim == 1 else np.einsum("nd,nmd->nm", people, vectors)
        return 1 / (1 + np.exp(-(product + self._bias[ads])))


class Knows(RankingPolicy):
    """Ranks by the true click rates of a world of that seed, under constant weights."""

    def __init__(self, scenario: Scenario, seed: int, weights: Weights) -> None:
        self._weights = weights._replace(believe=Believe(Truth(scenario, seed)))

    def decide(self, view: RankingView) -> Weights | None:
        return self._weights if (view.told.day, view.told.tick) == (0, 0) else None
