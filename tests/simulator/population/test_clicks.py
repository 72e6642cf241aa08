"""True click rates: looked up or made from vectors, they are the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adarena.simulator import Scenario, World
from adarena.simulator.market.market import build
from adarena.simulator.population import rates
from adarena.simulator.population.rates import NO_TABLE, click_table

SMALL = Scenario.preset("bidding-small").override({"traffic.requests_per_day": 5_000})


def test_the_table_is_the_sigmoid_of_bias_and_product() -> None:
    """Every term is exact in float64, and they are summed in order: Python's own numbers say the same to the last bit."""
    market = build(SMALL)
    assert market.ads is not None
    table = click_table(market.users, market.ads)
    assert table.shape == (len(market.users.interests), len(market.ads.bias))
    dice = np.random.default_rng(0)
    for user, ad in zip(dice.integers(table.shape[0], size=200), dice.integers(table.shape[1], size=200), strict=True):
        odds = float(market.ads.bias[ad])
        for one, other in zip(market.users.interests[user], market.ads.vectors[ad], strict=True):
            odds += float(one) * float(other)
        assert table[user, ad] == 1.0 / (1.0 + math.exp(-odds))


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_world_does_not_depend_on_whether_there_is_a_table(engine: str) -> None:
    looked_up, made = World(SMALL, seed=1, engine=engine), World(SMALL, seed=1, engine=engine)  # type: ignore[arg-type]
    assert looked_up._exchange.state.truth.table.size > 0
    made._exchange.replace("truth", table=NO_TABLE)
    for world in (looked_up, made):
        world.run()
    assert looked_up.ledger.counts.tobytes() == made.ledger.counts.tobytes()
    assert looked_up.ledger.sums.tobytes() == made.ledger.sums.tobytes()


def test_large_markets_and_those_where_clicks_depend_on_more_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"traffic.requests_per_day": 1000, "demand.campaigns": 40}
    assert build(Scenario.preset("coldstart").override({**few, "users.count": 20_000})).clicks.size == 0  # of 800 ads
    assert build(Scenario.preset("search").override({**few, "users.count": 1000})).clicks.size == 0  # what a query brings
    market = build(SMALL)
    assert market.ads is not None
    monkeypatch.setattr(rates, "MOST_PAIRS", len(market.users.interests) * len(market.ads.bias) - 1)
    assert click_table(market.users, market.ads).size == 0
