"""Rankers that tell the market what to suppose of new ads, from what these look like; their clicks then say the rest.

Ads with a history teach what looks mean: how popular each of them is the market knows. A Bayesian regression says of a new ad
how popular it is, and how surely: the prior of the market's own learning, so that many clicks count for more than looks, and
few for less.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import logit

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from ...simulator.response.beliefs import Prior
from ...simulator.seats.ranking.decisions import Weights
from ...simulator.seats.ranking.view import RankingView
from ..ranking.weighted import Weighted
from .ranker import load_ranker
from .seated import Modelled

LEAST_HISTORIES = 8  # ads, from which something may be learned
LEAST_VARIANCE = 1e-4  # of log-odds: nobody is surer of an ad than that


@dataclass
class Looks(Weighted):
    """Ranks under constant weights, by beliefs of new ads that begin with what their text, image and video tell."""

    def decide(self, view: RankingView) -> Weights | None:
        if (view.told.day, view.told.tick) != (0, 0):
            return None
        return Weights(self.squashing, self.cost, prior=supposed(self.columns(view), view))

    def columns(self, view: RankingView) -> Floats:
        """What is looked at, (A, numbers). Raises `PolicyError` where nobody tells what ads look like."""
        if view.facts.content is None:
            raise PolicyError(f"{type(self).__name__} reads what ads look like, and in this market nobody tells")
        # Embeddings have mean 0, and so does what is not there.
        return np.nan_to_num(np.concatenate(view.facts.content, axis=1, dtype=np.float64))


@dataclass
class Asks(Looks):
    """The same, and asks a trained ranker besides how popular each ad is: its mean log-odds over all users."""

    path: str = field(kw_only=True)  # of its file, or the folder of its training

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ranker = load_ranker(self.path)

    def columns(self, view: RankingView) -> Floats:
        odds = Modelled(self._ranker, view).typical_odds()
        return np.column_stack([super().columns(view), odds])


def supposed(columns: Floats, view: RankingView) -> Prior:
    """What to suppose of how popular ads are, (A,) each, from columns (A, numbers) of all ads.

    A regression (evidence maximisation, MacKay 1992) of the log-odds of ads with a history says of each other one a mean m and
    a variance v of its log-odds. The gamma distribution of the same mean, exp(m + v / 2) over what was believed at first, and
    the same squared variation, exp(v) - 1, is the prior.

    Raises:
        PolicyError: if too few ads have a history.
    """
    from sklearn.linear_model import BayesianRidge

    known, first = ~view.new, logit(view.typical)
    if known.sum() < LEAST_HISTORIES:
        raise PolicyError(f"what looks mean is learned from ads with a history, and {known.sum()} have one")
    scale = np.maximum(columns[known].std(axis=0), 1e-9)
    fitted = BayesianRidge().fit(columns[known] / scale, first[known])
    mean, deviation = fitted.predict(columns / scale, return_std=True)
    variance = np.maximum(deviation**2, LEAST_VARIANCE)
    return Prior(1 / np.expm1(variance), np.exp(mean + variance / 2 - first))
