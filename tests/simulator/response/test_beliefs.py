"""Beliefs that learn: against a count by hand, in both engines, with all that a market may have; new ads by run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tapes import give_tape

from adarena.simulator import ChunkBids, MarketError, Scenario, ScenarioError, World
from adarena.simulator.engine.state import Control
from adarena.simulator.market.market import build, of_run
from adarena.simulator.seats.bidding.decisions import BidPolicy
from adarena.simulator.seats.ranking.decisions import RankingPolicy, Weights

TINY = Scenario.preset("tiny").override(
    {"demand.budget_share": None, "fatigue": None, "rates.new_share": 0.5, "rates.learning": {"shape": 2.0}, "days": 2}
)
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 3600.0}})
FEED = Scenario.preset("coldstart").override(
    {
        "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
        "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}], "serving.servers": 2, "serving.service_s": 20.0,
        "serving.deadline_s": 60.0, "rates.click_rate": 0.02, "rates.learning": {}, "days": 2,
    }
)  # fmt: skip
WHOLE = Scenario.preset("ranking-small").override({"days": 2, "fatigue": {}, "demand.budget_share": 0.7})
MARKETS = {"at once": TINY, "with servers": WITH_SERVERS, "funnel, sessions, budgets": FEED, "sessions, fatigue": WHOLE}


class Ventures(RankingPolicy):
    """Some of everything; what is seen is kept."""

    def start(self, view: Any, dice: Any) -> None:
        self.seen: list[Any] = []

    def decide(self, view: Any) -> Weights:
        self.seen.append(view)
        return Weights(1.2, 0.01, 0.5, view.told.tick % 2 == 1)


@pytest.mark.parametrize("market", MARKETS)
def test_both_engines_learn_the_same(market: str) -> None:
    worlds = [World(MARKETS[market], {"ranking": Ventures()}, 3, engine) for engine in ("compiled", "events")]
    for world in worlds:
        world.run()
    one, two = (world._exchange.state.beliefs for world in worlds)
    for name, array in one._asdict().items():
        np.testing.assert_array_equal(array, getattr(two, name), err_msg=name)
    for name in ("counts", "sums", "left", "market_price"):
        np.testing.assert_array_equal(*(getattr(world.ledger, name).view(np.int64) for world in worlds), err_msg=name)
    assert one.clicks.sum() > 20
    assert (one.correction[1] != 1).any()


@pytest.mark.parametrize("market", ["at once", "with servers"])
def test_what_is_believed_is_the_posterior_of_clicks_over_those_first_expected(market: str) -> None:
    """Counted by hand from the impressions; who waits for a server is shown at the belief of when it came."""
    scenario, policy = MARKETS[market], Ventures()
    world = World(scenario, {"ranking": policy}, seed=3)
    read = give_tape(world, 50_000)
    world.run()
    tape, built, ticks = read(), build(scenario), scenario.ticks_per_day
    assert built.ads is not None
    user, ad, clicked, sold = (tape.column(name) for name in ("user", "ad", "clicked", "time_us"))
    odds = built.ads.believed_bias[ad] + np.einsum("nd,nd->n", built.users.interests[user], built.ads.believed_vectors[ad])
    first, new = 1 / (1 + np.exp(-odds)), built.ads.new
    assert 0 < new.sum() < new.size
    believed = np.ones((2 * ticks, new.size))
    for tick, view in enumerate(policy.seen):
        past = sold < tick * scenario.tick_us
        clicks, expected = (np.bincount(ad[past], x[past], new.size) for x in (clicked, first))
        np.testing.assert_array_equal(view.seen.clicks, clicks)
        np.testing.assert_allclose(view.seen.expected, expected, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(view.posterior.mean, (2 + clicks) / (2 + expected), rtol=1e-5)
        believed[tick] = np.where(new, view.posterior.mean, 1.0)
        np.testing.assert_array_equal(view.correction, believed[tick])
    if scenario.serving is None:
        factor = believed[sold // scenario.tick_us, ad]
        np.testing.assert_allclose(tape.believed, first * factor / (1 - first + first * factor), rtol=1e-4)
    else:
        near = [believed[np.maximum(sold // scenario.tick_us - back, 0), ad] for back in (0, 1)]
        errors = [np.abs(tape.believed / (first * f / (1 - first + first * f)) - 1) for f in near]
        assert np.minimum(*errors).max() < 1e-4
        assert (errors[1] < errors[0] - 1e-3).any()  # somebody came before beliefs changed, and was sold after


def test_what_is_learnt_nears_the_truth() -> None:
    """Of ads that have been shown often: far nearer than the first belief, whose odds err by their popularity."""
    scenario = Scenario.preset("ranking-small").override({"rates.belief_noise": 0.0, "rates.new_share": 0.5})
    world = World(scenario, {"ranking": Ventures()}, seed=4)
    world.run()
    market, beliefs = world._exchange.market, world._exchange.state.beliefs
    assert market.ads is not None
    often = market.ads.new & (beliefs.expected > 20)
    assert often.sum() > 5
    truth = np.exp(market.ads.bias - market.ads.believed_bias)[often]
    assert np.abs(np.log(truth)).mean() > 2 * np.abs(np.log(beliefs.correction[1][often] / truth)).mean()


def test_a_market_that_does_not_learn_counts_nothing() -> None:
    assert World(Scenario.preset("tiny"))._exchange.state.beliefs.clicks.size == 0


def test_how_popular_new_ads_are_is_drawn_by_run_where_a_scenario_says_so() -> None:
    scenario = Scenario.preset("coldstart-small")
    markets = [World(scenario, seed=seed)._exchange.market for seed in (1, 2)]
    one, two = (market.ads for market in markets)
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.new, two.new)
    assert one.new.mean() == pytest.approx(0.8, abs=0.05)
    differs = one.bias != two.bias
    np.testing.assert_array_equal(differs, one.new)
    popularity = np.concatenate([(market.bias - market.believed_bias + 0.5)[market.new] for market in (one, two)])
    assert (popularity.mean(), popularity.std()) == (pytest.approx(0, abs=0.12), pytest.approx(1, abs=0.08))
    table = 1 / (1 + np.exp(-(markets[1].users.interests.astype(float) @ two.vectors.T.astype(float) + two.bias)))
    np.testing.assert_allclose(markets[1].clicks, table, rtol=1e-6)
    still = scenario.override({"rates.new_by_run": None})
    assert of_run(still, build(still), 1) is build(still)


def test_who_bids_by_block_is_asked_anew_when_beliefs_change() -> None:
    seen: list[Any] = []

    class Offers(BidPolicy):
        def decide(self, view: Any) -> ChunkBids:
            def bid(requests: Any) -> Any:
                seen.append((requests.number[0], requests.rate[:, 0].copy()))
                return requests.rate * 5.0

            return ChunkBids(bid)

    world = World(TINY, {"bidding": {0: Offers()}}, seed=1)
    world.run(TINY.tick_us * 3)
    numbers = [number for number, _ in seen]
    assert len(set(numbers)) >= 3  # at the block, and from where each of two ticks begins on
    assert numbers == sorted(numbers)
    assert numbers[-1] <= world._exchange.state.control[Control.NEXT]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"serving": {"servers": 1, "service_s": 1.0}}, "rates.learning needs a serving.deadline_s of a tick at most"),
        ({"rates.learning": {"shape": 0}}, "shape"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        TINY.override(settings)


def test_who_is_new_is_said_once() -> None:
    with pytest.raises(ScenarioError, match=r"rates.new_share and funnel.new_share say the same: give one of them"):
        FEED.override({"rates.new_share": 0.2})


def test_users_cannot_be_played_one_by_one_where_beliefs_learn() -> None:
    from adarena.simulator.engine.lives import Lives

    scenario = Scenario.preset("allocation-small").override({"rates.learning": {}})
    with pytest.raises(MarketError, match="it has beliefs that learn from all requests"):
        Lives(scenario, 0, 1)
