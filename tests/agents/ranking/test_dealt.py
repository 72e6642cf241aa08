"""Rates that are dealt out by lot: whose, how often, to whom; and that beliefs learn on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare
from tapes import Tape, give_tape

from adarena.agents.catalogue import make_policy
from adarena.agents.ranking.dealt import Dealt
from adarena.simulator import Scenario, World
from adarena.simulator.delivery.models import Batch

MARKET = Scenario.preset("bidding-small").override({"traffic.requests_per_day": 4_000, "users.count": 100, "auction.slots": 1})
COLD = Scenario.preset("ranking-small").override({"days": 3, "traffic.requests_per_day": 1_000})
N, ADS = 6_000, 4


def batch(first: int = 0, n: int = N) -> Batch:
    none = np.zeros(n, np.int64)
    return Batch(np.arange(first, first + n), none, none, none, none - 1)


def believed() -> Any:
    """Of each request and ad a rate of its own."""
    return (np.arange(N * ADS).reshape(N, ADS) + 1).astype(np.float32) / (N * ADS + 2)


def test_so_large_a_share_of_requests_has_its_rates_in_an_order_by_lot() -> None:
    rates, model = believed(), Dealt(None, 0.5, 7)
    found = model.corrected(batch(), np.arange(ADS), rates)
    assert np.array_equal(np.sort(found, axis=1), rates)  # they are the same rates
    explored = model.explores(np.arange(N))
    assert abs(explored.mean() - 0.5) < 4 * np.sqrt(0.25 / N)
    assert np.array_equal(found[~explored], rates[~explored])
    # All orders are as likely.
    order = np.argsort(found[explored], axis=1)
    _, counts = np.unique(order, axis=0, return_counts=True)
    assert counts.size == 24
    assert chisquare(counts).pvalue > 1e-3


def test_what_is_dealt_is_a_function_of_the_request_and_the_model_is_asked_first() -> None:
    class Tenth:
        def corrected(self, requests: Batch, ads: Any, believed: Any) -> Any:
            return believed / 10

    rates, plain, tenth = believed(), Dealt(None, 1.0, 7), Dealt(Tenth(), 1.0, 7)
    found = plain.corrected(batch(), np.arange(ADS), rates)
    again = plain.corrected(batch(100, 50), np.arange(ADS), rates[100:150])
    assert np.array_equal(again, found[100:150])
    np.testing.assert_allclose(tenth.corrected(batch(), np.arange(ADS), rates), found / 10, rtol=1e-6)
    assert not np.array_equal(Dealt(None, 1.0, 8).corrected(batch(), np.arange(ADS), rates), found)


def test_where_there_is_no_ad_nothing_is_dealt() -> None:
    ads = np.tile(np.array([3, 0, 2, -1]), (N, 1))
    rates = believed()
    found = Dealt(None, 1.0, 7).corrected(batch(), ads, rates)
    assert np.array_equal(np.sort(found[:, :3], axis=1), rates[:, :3])
    assert np.array_equal(found[:, 3], rates[:, 3])


def taped(scenario: Scenario, policy: str) -> tuple[Tape, World]:
    world = World(scenario, {"ranking": make_policy("ranking", policy)}, seed=3)
    read = give_tape(world, 30_000)
    world.run()
    return read(), world


def test_in_a_market_requests_that_do_not_explore_are_as_without() -> None:
    tape, _ = taped(MARKET, "dealt:share=0.3")
    same = np.isclose(tape.believed, tape.platform, rtol=1e-5)
    assert abs(same.mean() - 0.7) < 0.05
    assert tape.true[~same].mean() < 0.8 * tape.true[same].mean()


def test_beliefs_learn_whatever_is_dealt() -> None:
    """Clicks of new ads are held against what the platform believed of them, not against what they were dealt."""
    _, world = taped(COLD, "dealt:share=1.0")
    beliefs, ads = world._exchange.state.beliefs, world._exchange.market.ads
    assert ads is not None
    assert (beliefs.correction[1][ads.new] != 1).any()
    old = ~ads.new  # of which the platform knows how popular they are
    clicks, expected = beliefs.clicks[old].sum(), beliefs.expected[old].sum()
    assert clicks == pytest.approx(expected, abs=4 * np.sqrt(expected))
