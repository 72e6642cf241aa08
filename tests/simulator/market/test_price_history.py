"""What a bidder's history tells of market prices: in a world what theory says, in a replay what the log's history has."""

from __future__ import annotations

import numpy as np
import pytest

from adarena.simulator import BidPolicy, BidView, ChunkBids, Multiplier, Scenario, World
from adarena.simulator.engine.state import Count
from adarena.simulator.replay.history import PriceHistory
from adarena.simulator.replay.log import Log
from adarena.simulator.replay.replay import replay


class Reader(BidPolicy):
    """Keeps the last view."""

    def decide(self, view: BidView) -> Multiplier:
        self.seen = view
        return Multiplier(view.prior)


def shown(scenario: Scenario) -> BidView:
    reader = Reader()
    World(scenario, {"bidding": reader}, seed=0).run(1)
    return reader.seen


@pytest.mark.parametrize(("bidders", "slots"), [(2, 1), (4, 1), (4, 2), (5, 2)])
def test_the_price_to_win_is_the_order_statistic_of_rivals(bidders: int, slots: int) -> None:
    """Rivals bid U[0, 1]: what wins the last of s slots is the s-th highest of n - 1 of them, mean (n - s) / n."""
    tree = Scenario.preset("uniform", bidders=bidders, requests=1000).model_dump(mode="json")
    tree["auction"].update({"slots": slots, "exposure": [1.0] * slots})
    seen = shown(Scenario.from_tree(tree))
    prices, unit = seen.history.prices, seen.history.price_unit
    assert prices is not None
    assert unit is not None
    price = np.arange(prices.shape[1]) * unit[:, None]
    mean = (prices * price).sum(axis=1) / prices.sum(axis=1)
    # 8,192 requests: standard errors below .0035, and half a step of rounding up.
    assert mean == pytest.approx(np.full(bidders, (bidders - slots) / bidders), abs=0.015)
    share_below_half = np.where(price <= 0.5, prices, 0.0).sum(axis=1) / prices.sum(axis=1)
    rivals = np.random.default_rng(0).random((200_000, bidders - 1))
    rivals.sort(axis=1)
    assert share_below_half == pytest.approx(np.full(bidders, (rivals[:, -slots] <= 0.5).mean()), abs=0.025)


def test_a_price_is_reached_as_often_as_the_history_says() -> None:
    """One campaign's bid wins a share of the requests; the others keep to their priors, as on the expected day."""
    scenario = Scenario.preset("uniform", bidders=4, requests=20_000)
    seen = shown(scenario)
    prices, unit = seen.history.prices, seen.history.price_unit
    assert prices is not None
    assert unit is not None

    class Flat(BidPolicy):
        """Bids .8 for every request."""

        def decide(self, view: BidView) -> ChunkBids:
            return ChunkBids(lambda requests: np.full(requests.rate.shape, 0.8))

    world = World(scenario, {"bidding": {1: Flat()}}, seed=1)
    world.run()
    won = world.ledger.counts[:, Count.WINS, 1].sum() / 20_000
    told = prices[1, : int(0.8 / unit[1]) + 1].sum() / prices[1].sum()
    assert won == pytest.approx(0.8**3, abs=0.012)
    assert told == pytest.approx(won, abs=0.02)


def test_a_replay_tells_the_counts_of_its_history_or_that_there_are_none() -> None:
    log, counts = Log(np.arange(20), np.full(20, 0.5)), np.array([0, 3, 0, 7])
    reader = Reader()
    replay(log, reader, PriceHistory(10, 5, 50, 0.1, counts))
    assert reader.seen.rule_unit == 1
    assert reader.seen.value.tolist() == reader.seen.target.tolist() == [10.0]
    assert reader.seen.history.prices is not None
    assert reader.seen.history.price_unit is not None
    assert reader.seen.history.prices.tolist() == [[0, 3, 0, 7]]
    assert reader.seen.history.price_unit.tolist() == [1]
    replay(log, reader, PriceHistory(10, 5, 50, 0.1))
    assert reader.seen.history.prices is None
    assert reader.seen.history.price_unit is None
