"""What a ranker makes of all pairs of users and ads, which no log holds: for judges, who know the truth."""

from __future__ import annotations

import numpy as np

from ...agents.hindsight.ranking import Truth
from ...agents.rankers.metrics import expected_auc
from ...agents.rankers.ranker import Ranker
from ...simulator.core.arrays import Floats, Floats32
from ...simulator.delivery.models import Batch
from ...simulator.market.market import build
from ...simulator.scenario.tree import Scenario

USERS = 400  # of whom all pairs are judged, evenly spread
NOON = 12


def knows(scenario: Scenario) -> bool:
    """Whether clicks depend on user and ad alone, so that a table of pairs tells all."""
    return build(scenario).ads is not None and not scenario.asks and scenario.creatives is None


class Pairs:
    """All ads for some users of a market: true click rates and those the platform first believed, (users, ads)."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        market = build(scenario)
        assert market.ads is not None
        people = market.users
        self._users = np.unique(np.linspace(0, len(people.segment) - 1, USERS).astype(np.int64))
        none = np.zeros(self._users.size, np.int64)
        self._ads = np.arange(len(market.campaigns.ad_campaign))
        self.truth: Floats = Truth(scenario, seed).rates(Batch(none, none, self._users, none, none - 1), self._ads)
        odds = people.interests[self._users] @ market.ads.believed_vectors.T + market.ads.believed_bias
        self.believed: Floats32 = (1 / (1 + np.exp(-odds))).astype(np.float32)
        self._context = {"hour": none + NOON, "surface": none, "query": none - 1}
        self._about = {"user": self._users, "segment": people.segment[self._users]}
        campaign = market.campaigns.ad_campaign
        self._told = {"ad": self._ads, "campaign": campaign, "vertical": market.campaigns.vertical[campaign]}

    def of(self, ranker: Ranker | None) -> Floats:
        """Click rates of a ranker, at noon; None: the platform's."""
        if ranker is None:
            return np.asarray(self.believed, np.float64)
        rates, _ = ranker.rates(self._about, self._told, self._context, believed=self.believed)
        return rates

    def judge(self, ranker: Ranker | None) -> dict[str, float]:
        """AUC over all clicks that could be, correlation of log-odds with the true ones, predicted clicks over true ones."""
        found = self.of(ranker)
        odds = np.stack([np.log(rates / (1 - rates)).ravel() for rates in (found, self.truth)])
        return {
            "all_auc": expected_auc(found.ravel(), self.truth.ravel()),
            "all_correlation": float(np.corrcoef(odds)[0, 1]),
            "all_pcoc": float(found.sum() / self.truth.sum()),
        }
