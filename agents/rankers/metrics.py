"""How good predicted rates are, each measure beside what the truth itself would reach.

Normalised entropy is the log loss over that of the mean rate; PCOC is predicted clicks over clicks; the calibration error (ECE)
is the mean distance of predicted and true shares over bins of equally many impressions; GAUC is the mean over users of the
AUC within a user, weighed by impressions, of users with both labels (Zhou et al. 2018).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import rankdata

from ...simulator.core.arrays import Floats

LEAST = 1e-7  # a rate nearer to 0 or 1 is taken for this near, in logarithms
BINS = 20


class Quality(NamedTuple):
    """Measures of predicted rates; NaN where the labels are all alike."""

    auc: float
    gauc: float
    log_loss: float
    entropy: float  # normalised
    pcoc: float
    ece: float


def quality(rates: NDArray[Any], labels: NDArray[Any], users: NDArray[Any] | None = None) -> Quality:
    """All measures of rates (n,) against labels (n,); `users` (n,) for GAUC."""
    loss = log_loss(rates, labels)
    mean = float(labels.mean())
    floor = 0.0 if mean in (0.0, 1.0) else -(mean * math.log(mean) + (1 - mean) * math.log1p(-mean))
    return Quality(
        auc(rates, labels),
        math.nan if users is None else gauc(rates, labels, users),
        loss,
        loss / floor if floor else math.nan,
        float(rates.sum() / labels.sum()) if labels.sum() else math.nan,
        ece(rates, labels),
    )


def log_loss(rates: NDArray[Any], labels: NDArray[Any]) -> float:
    """Mean -log of the probability given to what happened; labels may be probabilities themselves."""
    p = np.clip(np.asarray(rates, np.float64), LEAST, 1 - LEAST)
    y = np.asarray(labels, np.float64)
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())


def auc(rates: NDArray[Any], labels: NDArray[Any]) -> float:
    """The share of pairs with and without the label that stand in the right order, ties half; by ranks."""
    positive = np.asarray(labels) > 0
    count = int(positive.sum())
    if count in (0, positive.size):
        return math.nan
    ranks = rankdata(rates)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (positive.size - count)))


def gauc(rates: NDArray[Any], labels: NDArray[Any], users: NDArray[Any]) -> float:
    """AUC within users, weighed by their impressions; users with one label alone are left out."""
    order = np.lexsort((rates, users))
    user, label, rate = np.asarray(users)[order], np.asarray(labels, np.float64)[order], np.asarray(rates)[order]
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    size = np.diff(np.r_[first, user.size])
    place = np.arange(user.size) - np.repeat(first, size) + 1.0
    # Ranks within the user: of ties the mean.
    begins = np.flatnonzero(np.r_[True, (user[1:] != user[:-1]) | (rate[1:] != rate[:-1])])
    tied = np.diff(np.r_[begins, user.size])
    rank = np.repeat(np.add.reduceat(place, begins) / tied, tied)
    clicks, ranks = np.add.reduceat(label, first), np.add.reduceat(rank * label, first)
    both = (clicks > 0) & (clicks < size)
    if not both.any():
        return math.nan
    c, n = clicks[both], size[both]
    return float(np.average((ranks[both] - c * (c + 1) / 2) / (c * (n - c)), weights=n))


def ece(rates: NDArray[Any], labels: NDArray[Any], bins: int = BINS) -> float:
    """Sum over bins of equally many of |mean rate - mean label| x share."""
    rate, label, share = reliability(rates, labels, bins)
    return float((np.abs(rate - label) * share).sum())


def reliability(rates: NDArray[Any], labels: NDArray[Any], bins: int = BINS) -> tuple[Floats, Floats, Floats]:
    """Mean rate, mean label and share of each of some bins of equally many, from the lowest rates up, (bins,) each."""
    order = np.argsort(rates, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    means = [(rates[part].mean(), labels[part].mean(), part.size / order.size) for part in parts]
    rate, label, share = np.array(means, np.float64).T
    return rate, label, share


class Ceiling(NamedTuple):
    """What nobody can do better on average, for impressions of such true rates."""

    auc: float
    log_loss: float


def ceiling(truth: NDArray[Any]) -> Ceiling:
    """The AUC and the log loss that true rates (n,) reach on average over all clicks that could have been."""
    p = np.asarray(truth, np.float64)
    return Ceiling(expected_auc(p, p), log_loss(p, p))


def expected_auc(rates: NDArray[Any], truth: NDArray[Any]) -> float:
    """The AUC of rates (n,) over all clicks that could have been, of such true rates (n,); NaN where nothing could differ.

    Of all pairs with weights p_i (1 - p_j), the share that stands in the right order, ties half.
    """
    order = np.argsort(rates, kind="stable")
    p = np.asarray(truth, np.float64)[order]
    _, first = np.unique(np.asarray(rates)[order], return_index=True)
    clicks, misses = np.add.reduceat(p, first), np.add.reduceat(1 - p, first)
    right = (clicks * (np.cumsum(misses) - 0.5 * misses)).sum()
    total = p.sum() * (1 - p).sum()
    return float(right / total) if total > 0 else math.nan


def beta_floor(a: float, b: float) -> float:
    """The least log loss where rates are Beta(a, b): psi(a + b + 1) - (a psi(a + 1) + b psi(b + 1)) / (a + b)."""
    return float(digamma(a + b + 1) - (a * digamma(a + 1) + b * digamma(b + 1)) / (a + b))


def beta_auc(a: float, b: float) -> float:
    """The AUC of true rates that are Beta(a, b): P(X > Y) of X ~ Beta(a + 1, b), Y ~ Beta(a, b + 1), by quadrature.

    Where a click came the rate is Beta(a + 1, b), where none came Beta(a, b + 1).
    """
    from scipy.integrate import quad
    from scipy.stats import beta

    found = quad(lambda u: float(beta.cdf(beta.ppf(u, a + 1, b), a, b + 1)), 0.0, 1.0, limit=200)
    return float(found[0])
