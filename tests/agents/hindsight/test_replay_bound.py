"""In a replay the bidder moves no price, so the clairvoyant bound of each episode holds for every bidder."""

from __future__ import annotations

import numpy as np
import pytest
from places import SHARED

from adarena.agents.bidding import POLICIES
from adarena.agents.catalogue import make_policy
from adarena.agents.hindsight.knapsack import choice_bound
from adarena.simulator.replay.history import PriceHistory, read_history
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.reading import read_log
from adarena.simulator.replay.replay import replay

IPINYOU = SHARED / "data" / "ipinyou"
EVERYBODY = (*sorted(POLICIES), "lin:base_bid=10", "ortb:first_price=true", "shading:forget=0.5")


def bounds(log: Log, episode: int, budget: int) -> np.ndarray:
    """Most believed clicks that the budget buys in each episode, parts of impressions allowed."""
    value, cost = log.rate[:, None], log.price[:, None].astype(float)
    starts = range(0, len(log), episode)
    return np.array([choice_bound(value[i : i + episode], cost[i : i + episode], budget) for i in starts])


def greedy(log: Log, budget: int) -> tuple[float, int, float]:
    """Whole impressions by value for money until one is too dear: believed clicks, clicks, what that one promised."""
    order = np.argsort(log.price / log.rate, kind="stable")
    bought = int(np.searchsorted(np.cumsum(log.price[order]), budget, "right"))
    missed = log.rate[order[bought]] if bought < len(log) else 0.0
    assert log.click is not None
    return log.rate[order[:bought]].sum(), int(log.click[order[:bought]].sum()), missed


@pytest.mark.skipif(not IPINYOU.is_dir(), reason=f"the iPinYou log is not in {IPINYOU}")
def test_hindsight_of_the_published_log() -> None:
    """Whole impressions bring 170.0 believed clicks and 78 clicks; the bound adds less than one impression an episode."""
    log, history = read_log(IPINYOU / "2997_test.theta.txt"), read_history(IPINYOU / "info_2997.json")
    assert log.click is not None
    bound = bounds(log, 1000, 1969)
    episodes = [Log(log.price[i : i + 1000], log.rate[i : i + 1000], log.click[i : i + 1000]) for i in range(0, len(log), 1000)]
    believed, clicks, missed = np.array([greedy(episode, 1969) for episode in episodes]).T
    assert (round(believed.sum(), 1), clicks.sum()) == (170.0, 78)
    assert (bound >= believed * (1 - 1e-12)).all()
    assert (bound < believed + missed + 1e-12).all()
    for spec in EVERYBODY:
        result = replay(log, make_policy("bidding", spec), history)
        assert result.budget == 1969
        assert (result.episodes.believed_clicks <= bound * (1 + 1e-9)).all()


def test_no_bidder_exceeds_hindsight_on_random_logs() -> None:
    for seed in range(20):
        numbers = np.random.default_rng(seed)
        log = Log(numbers.gamma(1.5, 20, 1_500).astype(np.int64), numbers.beta(1, 9, 1_500), numbers.integers(0, 2, 1_500))
        counts = np.bincount(numbers.gamma(1.5, 20, 1_000).astype(np.int64))
        history = PriceHistory(1000, int(numbers.integers(20, 500)), 30_000, 0.1, counts)
        fraction = float(numbers.uniform(0.02, 0.8))
        for spec in EVERYBODY:
            result = replay(log, make_policy("bidding", spec), history, episode=400, budget_fraction=fraction)
            bound = bounds(log, 400, result.budget)
            assert (result.episodes.believed_clicks <= bound * (1 + 1e-9)).all()
            assert result.believed_clicks > 0
