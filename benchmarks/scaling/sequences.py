"""Sequences of behaviour from a market's journal, and the floors of any model's loss on them.

Ads are shown at random, whoever asks: what a user was shown tells nothing of him, and all that can be known of his taste is
what he clicked. So the best that can be done is computed: by the truth, and by one who knows ads and the law of tastes, but not
the user.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...agents.catalogue import make_policy
from ...agents.rankers.logs import Log
from ...agents.rankers.metrics import log_loss
from ...simulator.books.journal import Logs
from ...simulator.core.arrays import Floats, Integers
from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError
from ...simulator.market import build
from ...simulator.scenario.tree import Scenario
from ...simulator.world import World

# `bidding-small` with tastes of eight dimensions that matter much, a hundred ads without budgets, users who come alike often.
MARKET = {
    "days": 30, "auction.slots": 1, "traffic.requests_per_day": 80_000, "traffic.surge_probability": 0.0,
    "traffic.day_sigma": 0.0, "users.count": 20_000, "users.segments": 1, "users.dimensions": 8, "users.activity_tail": 20.0,
    "demand.campaigns": 100, "demand.budget_share": None, "rates.affinity": 2.0, "rates.click_rate": 0.2,
}  # fmt: skip
POINTS = 32  # of Gauss and Hermite's quadrature


class Sequences(NamedTuple):
    """The first T impressions of each of n users, in the order of time."""

    user: Integers  # (n,)
    ad: Integers  # (n, T)
    clicked: Integers  # (n, T) 1 or 0
    truth: Floats  # (n, T) true click rates

    def part(self, rows: slice | Integers) -> Sequences:
        """Some of the users."""
        return Sequences(self.user[rows], self.ad[rows], self.clicked[rows], self.truth[rows])


def market(scenario: Scenario | None = None) -> Scenario:
    """The market that is played if no other is named."""
    return Scenario.preset("bidding-small").override(MARKET) if scenario is None else scenario


def played(scenario: Scenario, folder: Path) -> Log:
    """The journal of a scenario under a ranker that shuffles; one that is there is not played again."""
    told = folder / "scenario.txt"
    if not told.exists() or told.read_text() != scenario.digest:
        World(scenario, {"ranking": make_policy("ranking", "random")}, journal=Logs(folder, features=True)).run()
        write(told, scenario.digest)
    return Log(folder)


def sequences(log: Log, length: int) -> Sequences:
    """Of users who saw so many impressions at least, in an order that tells nothing of them.

    Raises:
        MarketError: if requests have several impressions, of which none is the past of another, or nobody saw as many.
    """
    parts = list(log.chunks(("ad", "clicked")))
    request, user, ad, clicked, truth = (
        np.concatenate([part[name] for part in parts]) for name in ("request", "user", "ad", "clicked", "true_rate")
    )
    if np.unique(request).size < request.size:
        raise MarketError("sequences of behaviour are read from one impression a request: set auction.slots=1")
    order = np.argsort(user, kind="stable")
    count = np.bincount(user)
    who = np.flatnonzero(count >= length)
    if not who.size:
        raise MarketError(f"nobody saw {length} impressions: the most that a user saw are {count.max()}")
    who = np.random.default_rng(0).permutation(who)
    rows = order[(np.cumsum(count) - count)[who][:, None] + np.arange(length)]
    return Sequences(who, ad[rows].astype(np.int64), clicked[rows].astype(np.int64), truth[rows])


def expected_loss(rates: Floats, truth: Floats) -> float:
    """The mean log loss of rates, over all clicks that could have been."""
    return log_loss(rates, truth)


def filtered(held: Sequences, scenario: Scenario) -> Floats:
    """Click rates said by one who knows ads and the law of tastes, and learns each user from his clicks; (n, T).

    Log-odds are b_a + u . v_a with u normal. What is known of u stays a normal law: after each impression it gets the mean and
    variance that u . v_a has given its click, by quadrature (assumed density filtering; Minka 2001, section 3.2).

    Raises:
        MarketError: if true rates depend on more than user and ad.
    """
    users, vectors, bias = _odds(scenario)
    odds = bias[held.ad] + np.einsum("ntd,nd->nt", vectors[held.ad], users[held.user])
    if not np.allclose(_sigmoid(odds), held.truth, atol=1e-6):
        raise MarketError(f"true rates of scenario {scenario.name!r} depend on more than user and ad")
    return posterior(held.ad, held.clicked, vectors, bias, users.mean(axis=0), np.atleast_2d(np.cov(users.T)))


def true_rates(held: Sequences, scenario: Scenario) -> Floats:
    """Of all ads for each of the users, (n, ads)."""
    odds = _odds(scenario)
    return _sigmoid(odds.bias + odds.users[held.user] @ odds.vectors.T)


class Odds(NamedTuple):
    """What log-odds of clicks are made of: bias of the ad + user . ad."""

    users: Floats  # (users, d)
    vectors: Floats  # (ads, d)
    bias: Floats  # (ads,)


def _odds(scenario: Scenario) -> Odds:
    market = build(scenario)
    if market.ads is None:
        raise MarketError(f"scenario {scenario.name!r} draws rates anew for each request: there is nothing to learn")
    return Odds(*(np.asarray(each, np.float64) for each in (market.users.interests, market.ads.vectors, market.ads.bias)))


def posterior(ad: Integers, clicked: Integers, vectors: Floats, bias: Floats, centre: Floats, spread: Floats) -> Floats:
    """See `filtered`: ads (n, T), their vectors (ads, d) and biases (ads,), users of mean (d,) and covariance (d, d)."""
    n, length = ad.shape
    node, weight = np.polynomial.hermite_e.hermegauss(POINTS)
    weight = weight / weight.sum()
    mean, covariance = np.tile(centre, (n, 1)), np.tile(spread, (n, 1, 1))
    said = np.empty((n, length))
    for t in range(length):
        v = vectors[ad[:, t]]  # (n, d)
        towards = np.einsum("nij,nj->ni", covariance, v)  # (n, d)
        m, s = (mean * v).sum(axis=1) + bias[ad[:, t]], (towards * v).sum(axis=1)  # of the log-odds, (n,)
        z = m[:, None] + np.sqrt(s)[:, None] * node  # (n, points)
        rate = _sigmoid(z)
        said[:, t] = rate @ weight
        likely = np.where(clicked[:, t, None] == 1, rate, 1 - rate) * weight
        likely /= likely.sum(axis=1, keepdims=True)
        after = (likely * z).sum(axis=1)
        left = (likely * (z - after[:, None]) ** 2).sum(axis=1)
        mean = mean + towards * ((after - m) / s)[:, None]
        covariance = covariance - np.einsum("ni,nj->nij", towards, towards) * ((s - left) / s**2)[:, None, None]
    return said


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
