"""How sure a model is of an impression: mean and standard deviation of its log-odds, in one of three ways.

An ensemble differs where there was little to learn from (Lakshminarayanan et al. 2017); so do the passes of a network whose
dropout stays on (Gal & Ghahramani 2016); of the last layer the posterior is nearly normal, and known in closed form (Laplace).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from ...simulator.core.arrays import Floats
from ...simulator.core.errors import PolicyError
from .logs import Examples
from .models.layers import Separate
from .models.registry import SINGLE
from .ranker import Ranker

STEPS, SMALL = 100, 1e-9  # of Newton's method: at most so many, until a step is as small


class Belief(NamedTuple):
    """Log-odds of clicks; arrays (n,)."""

    mean: Floats
    deviation: Floats


class Uncertain(Protocol):
    """Whoever says how sure it is."""

    def belief(self, examples: Examples) -> Belief:
        """Of n impressions."""


@dataclass(frozen=True)
class Ensemble:
    """Rankers that differ in their seeds: two at least, of one list of features."""

    rankers: Sequence[Ranker]

    def __post_init__(self) -> None:
        if len(self.rankers) < 2:
            raise PolicyError(f"an ensemble has two rankers at least, not {len(self.rankers)}")
        for ranker in self.rankers:
            ranker.check(self.rankers[0].card.schema)

    def belief(self, examples: Examples) -> Belief:
        """See `Uncertain`."""
        return _spread(np.stack([ranker.odds(examples)[:, 0] for ranker in self.rankers]))


@dataclass(frozen=True)
class Dropout:
    """One ranker, asked several times with its dropout on."""

    ranker: Ranker
    passes: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        rates = [getattr(each, "p", getattr(each, "dropout", 0.0)) for each in self.ranker.network.modules()]
        if self.passes < 2 or not any(isinstance(rate, float) and rate > 0 for rate in rates):
            raise PolicyError(f"dropout is asked twice at least, of a model trained with some, unlike {self.ranker.card.model}")

    def belief(self, examples: Examples) -> Belief:
        """See `Uncertain`."""
        network = self.ranker.network.train()
        try:
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                return _spread(np.stack([self.ranker.odds(examples)[:, 0] for _ in range(self.passes)]))
        finally:
            network.eval()


class LastLayer:
    """The layers below stay as they were trained; of the last one's weights there is a posterior, given some impressions.

    Args:
        ranker: of a model of one label whose last layer is linear.
        examples: n impressions, which it may have been trained on.
        variance: of each weight, and of the bias, before any of them.

    Raises:
        PolicyError: if there is no such layer.
    """

    def __init__(self, ranker: Ranker, examples: Examples, variance: float = 1.0) -> None:
        networks = ranker.network.networks if isinstance(ranker.network, Separate) else [ranker.network]
        layers = [each for each in networks[0].modules() if isinstance(each, nn.Linear) and each.out_features == 1]
        if ranker.card.model not in SINGLE or not layers:
            raise PolicyError(f"a ranker {ranker.card.model} has no last layer")
        self._ranker, self._layer = ranker, layers[-1]
        seen, other = self._below(examples)
        clicks = examples.labels[:, 0].astype(np.float64)
        self.weights, self.covariance = laplace(seen, clicks, np.ones(clicks.size), variance, other)

    def belief(self, examples: Examples) -> Belief:
        """See `Uncertain`."""
        seen, other = self._below(examples)
        return linear_belief(seen, self.weights, self.covariance, other)

    def _below(self, examples: Examples) -> tuple[Floats, Floats]:
        """What the last layer sees, (n, D + 1) with a 1 for its bias, and the log-odds that come from elsewhere, (n,)."""
        held: list[Tensor] = []
        hook = self._layer.register_forward_hook(lambda layer, given, out: held.append(given[0].detach()))
        try:
            odds = self._ranker.odds(examples)[:, 0]
        finally:
            hook.remove()
        seen = torch.cat(held).double().numpy()
        weight, bias = (each.detach().double().numpy() for each in (self._layer.weight[0], self._layer.bias))
        return np.column_stack([seen, np.ones(len(seen))]), odds - seen @ weight - bias[0]


def laplace(
    x: Floats, clicks: NDArray[np.float64], shown: NDArray[np.float64], variance: float, offset: Floats | None = None
) -> tuple[Floats, Floats]:
    """The normal distribution nearest to the posterior of a logistic regression's weights: mode (D,), covariance (D, D).

    Of log-odds offset + x w, w normal a priori of mean 0 and some variance: the mode by Newton's method, and there the inverse
    of the Hessian, X' diag(shown p (1 - p)) X + I / variance (MacKay 1992; Bishop, PRML, section 4.5).

    Args:
        x: (n, D).
        clicks, shown: (n,) of each row, clicks up to as often as it was shown.
        offset: (n,) known log-odds; None: 0.
    """
    base = np.zeros(len(x)) if offset is None else offset
    weights, precision = np.zeros(x.shape[1]), np.eye(x.shape[1]) / variance

    def worth(w: Floats) -> float:
        odds = base + x @ w
        return float(clicks @ odds - shown @ np.logaddexp(0, odds) - w @ w / (2 * variance))

    for _ in range(STEPS):
        rate = expit(base + x @ weights)
        hessian = (x * (shown * rate * (1 - rate))[:, None]).T @ x + precision
        step = np.linalg.solve(hessian, x.T @ (clicks - shown * rate) - weights / variance)
        size = 1.0
        while worth(weights + size * step) < worth(weights) and size > SMALL:  # far from the mode a whole step is too far
            size /= 2
        weights = weights + size * step
        if np.abs(step).max() < SMALL:
            break
    return weights, np.linalg.inv(hessian)


def linear_belief(x: Floats, weights: Floats, covariance: Floats, offset: Floats | float = 0.0) -> Belief:
    """Of log-odds offset + x w, x (n, D) and w normal."""
    return Belief(offset + x @ weights, np.sqrt(np.einsum("nd,de,ne->n", x, covariance, x)))


def _spread(odds: Floats) -> Belief:
    """Over the first axis."""
    return Belief(odds.mean(axis=0), odds.std(axis=0, ddof=1))
