"""The ranking seat: weights against what scenarios and auctions say, bonuses, users who stay away, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ranking_markets import COLD, ONE_AD, Ranks, played, taped
from seat_markets import ENGINES, FEED, MARKETS, TINY, books

from adarena.simulator import MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.engine.new_state import at_least
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import build
from adarena.simulator.response.visits import Visit
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.ranking.decisions import Believe, Weights
from adarena.simulator.seats.ranking.view import RankingView

# Weights.


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    ("decision", "settings"),
    [
        (Weights(), {}),
        (Weights(1.0, 0.0, 0.0, False, 1.0), {}),
        (Weights(cost=0.2), {"auction.reserve": 0.2}),
        (Weights(0.4, 0.1), {"auction.squashing": 0.4, "auction.reserve": 0.1}),
    ],
    ids=["nothing", "neutral", "cost", "both"],
)
def test_weights_from_the_first_tick_on_are_what_a_scenario_says(
    market: str, decision: Weights, settings: dict[str, Any], engine: Any
) -> None:
    scenario = MARKETS[market]
    decided = played(scenario, decision, engine=engine)
    assert books(decided) == books(played(scenario.override(settings)))
    assert decided.ledger.counts[:, Count.WINS].sum() > 50


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bonus_of_the_ad_of_a_campaign_is_that_campaigns_quality(engine: Any) -> None:
    class Sells(AuctionPolicy):
        def decide(self, view: Any) -> Sale:
            return Sale(squashing=0.7, quality=quality)

    quality = np.array([0.5, 1.0, 2.0, 1.5, 1e-3, 1.0])
    world = World(ONE_AD, {"auction": Sells()}, seed=3)
    world.run()
    assert books(played(ONE_AD, Weights(0.7, bonus=quality), engine=engine)) == books(world) != books(played(ONE_AD))


def test_a_bonus_goes_with_the_ad_where_campaigns_have_several() -> None:
    """Behind a funnel and without: an ad that is ranked last is hardly shown, its campaign's others as ever."""
    for scenario in (TINY.override({"rates.affinity": 3.0}), FEED):
        of = build(scenario).campaigns.ad_campaign
        shown = np.bincount(taped(scenario).column("ad"), minlength=of.size)
        worst, others = next(
            (a, siblings)
            for a in np.argsort(-shown)
            if (siblings := shown * ((of == of[a]) & (np.arange(of.size) != a))).sum() > 20
        )
        last = np.where(np.arange(of.size) == worst, 1e-9, 1.0)
        after = np.bincount(taped(scenario, Weights(bonus=last)).column("ad"), minlength=of.size)
        assert after[worst] < 0.5 * shown[worst]
        assert after[others > 0].sum() > 0.9 * others.sum()


def test_an_ad_that_costs_more_than_it_brings_is_not_shown_and_none_is_sold_below() -> None:
    bids = taped(TINY, Weights(1.5, 0.3))
    assert bids.column("price").min() >= 0.3e6 - 1
    assert (bids.column("bid") >= 0.3e6 - 1).all()
    assert len(bids.ints) < len(taped(TINY, Weights(1.5)).ints)


def test_what_a_process_sets_lasts_until_it_is_decided_otherwise() -> None:
    def process(world: World) -> Any:
        yield world.at(hours=3)
        world.set_reserve(0.2)
        world.set_squashing(0.5)
        for hours in (4, 14):
            yield world.at(hours=hours, minutes=30)
            floors.append(int(world._exchange.state.bids.floor.max()))

    floors: list[int] = []
    policy = Ranks(Weights(0.8, 0.1), *[None] * 11, Weights(0.8, 0.1), *[None] * 11)
    world = World(TINY, {"ranking": policy}, seed=3)
    world.process(process(world))
    world.run()
    assert [view.squashing for view in policy.seen] == [1.0, *[0.8] * 3, *[0.5] * 9, *[0.8] * 11]
    assert floors == [at_least(0.2), at_least(0.1)]


# Ventures.


def test_optimism_is_a_bonus_that_falls_with_clicks() -> None:
    """As if the policy had worked it out from what it sees."""

    class ByHand(Ranks):
        def decide(self, view: RankingView) -> Weights:
            return Weights(bonus=np.where(view.new, 1 + 0.8 / np.sqrt(1.5 + view.seen.clicks), 1.0))

    world = World(COLD, {"ranking": ByHand()}, seed=3)
    world.run()
    assert books(played(COLD, Weights(optimism=0.8))) == books(world) != books(played(COLD))


def test_thompson_draws_of_the_posterior_anew_at_each_tick() -> None:
    world = World(COLD, {"ranking": Open()}, seed=5)
    drawn: list[NDArray[np.float32]] = []
    while (asked := world.until_asked()) is not None:
        new, shape = asked.view.new, asked.view.posterior.shape
        world.answer(Weights(thompson=True))
        ranking = world._exchange.blocks.rating.ranking
        world.until_asked()
        after = world._exchange.blocks.rating.ranking
        assert after is not ranking
        drawn.append(after.bonus[new] if after.bonus.size else np.ones(0, np.float32))
    assert (shape >= 1.5).all()
    ratios = np.concatenate(drawn)
    assert np.unique(ratios).size > 0.9 * ratios.size
    assert ratios.mean() == pytest.approx(1, abs=4 * ratios.std() / np.sqrt(ratios.size))
    assert books(played(COLD, Weights(thompson=True))) == books(played(COLD, Weights(thompson=True), engine="events"))


# Users who stay away.


def test_what_an_ad_costs_its_user_comes_back_as_visits() -> None:
    """Fewer ads are worth less today; those who are spared are more satisfied, and come more often on the days after."""
    scenario = Scenario.preset("ranking-small")
    free, dear = (played(scenario, Weights(1.4, cost)) for cost in (0.0, 0.8))
    assert free.visits is not None
    assert dear.visits is not None
    made = [world.visits.counts[:, Visit.MADE].reshape(8, 24).sum(axis=1) for world in (free, dear)]
    value = [world.ledger.value().sum(axis=1).reshape(8, 24).sum(axis=1) for world in (free, dear)]
    assert value[1][0] < value[0][0]
    assert (made[1][2:] > 1.02 * made[0][2:]).all()
    satisfaction = [world._exchange.state.visits.satisfaction.mean() for world in (free, dear)]
    assert satisfaction[1] > satisfaction[0] + 0.01


def test_the_view_tells_how_users_take_it() -> None:
    scenario = Scenario.preset("ranking-small").override({"days": 2})
    policy = Ranks(None)
    world = World(scenario, {"ranking": policy}, seed=1)
    world.run()
    assert world.visits is not None
    first, last = policy.seen[0].users, policy.seen[-1].users
    assert first is not None
    assert last is not None
    assert (first.planned, first.made, first.satisfaction) == (0, 0, pytest.approx(1.0))
    before = world.visits.counts[:-1]
    assert (last.planned, last.made) == (before[:, Visit.PLANNED].sum(), before[:, Visit.MADE].sum())
    assert 0.5 < last.satisfaction < 1
    assert played(TINY, None)  # whose users are not seen
    seat = World(TINY, {"ranking": Open()}, seed=0).until_asked()
    assert seat is not None
    assert seat.view.users is None


# What is refused.


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (1.0, r"Ranks must decide Weights or what to Believe, not float"),
        (Weights(-0.1), r"Ranks decides squashing from 0 to 100, not -0.1"),
        (Weights(cost=float("nan")), r"Ranks decides a cost from 0 to 1e\+09, not nan"),
        (Weights(optimism="much"), r"Ranks decides optimism from 0 to 100, not 'much'"),
        (Weights(thompson=1), r"Ranks decides thompson by True or False, not 1"),
        (Weights(bonus=[1.0, 2.0]), r"Ranks must decide a bonus for each of 12 ads, or for all"),
        (Weights(bonus=0.0), r"Ranks decided the bonus 0.0: numbers from 1e-09 to 1e\+09 are allowed"),
        (Believe(None, "late"), r"Ranks names the stage 'late'; known are recall, rough, fine"),
        (Believe(None, "recall"), r"Ranks believes a model in the stage 'recall' of a market without a funnel"),
        (Believe(3), r"Ranks believes int, which has no method rates\(requests, ads\) nor corrected\("),
        (Weights(believe=[3]), r"Ranks must decide what to Believe, not \[3\]"),
    ],
)
def test_decisions_that_are_not_allowed_are_refused_in_a_sentence(decision: Any, words: str) -> None:
    with pytest.raises(PolicyError, match=f"^{words}"):
        played(TINY, decision)


def test_who_ranks_does_not_sell_besides_and_needs_ads_with_rates_of_their_own() -> None:
    with pytest.raises(PolicyError, match=r"^the ranking seat and the auction seat decide on the same: only one of them"):
        World(TINY, {"auction": Open(), "ranking": Open()})
    with pytest.raises(PolicyError, match=r"^the ranking seat needs rates of kind interests, and scenario 'uniform' has none"):
        World(Scenario.preset("uniform"), {"ranking": Open()})


def test_a_market_that_is_split_has_no_ranking_seat() -> None:
    from adarena.simulator.shards import Sharded

    with pytest.raises(MarketError, match="cannot be split over shards with beliefs that learn, or somebody who ranks"):
        World(TINY, {"ranking": Open()}, engine=Sharded(2))
