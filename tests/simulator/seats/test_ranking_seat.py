"""The ranking seat: weights against what scenarios and auctions say, bonuses, and what is refused; models in stages."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tapes import Tape, give_tape

from adarena.agents.hindsight.ranking import Truth
from adarena.simulator import Logs, MarketError, Open, PolicyError, Scenario, World
from adarena.simulator.core.arrays import CHUNK
from adarena.simulator.delivery.models import Batch
from adarena.simulator.engine.new_state import at_least
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import build
from adarena.simulator.response.visits import Visit
from adarena.simulator.seats.auction.decisions import AuctionPolicy, Sale
from adarena.simulator.seats.ranking.decisions import Believe, RankingPolicy, Weights
from adarena.simulator.seats.ranking.view import RankingView

TINY = Scenario.preset("tiny").override({"demand.budget_share": None, "fatigue": None})
WITH_SERVERS = TINY.override({"serving": {"servers": 1, "service_s": 40.0, "deadline_s": 300.0}})
FEED = Scenario.preset("feed").override(
    {
        "traffic.requests_per_day": 1500, "users.count": 1500, "demand.campaigns": 40, "demand.ads_per_campaign": 5,
        "funnel.levels": [{"recall": 60, "rough": 20, "fine": 8}], "serving.servers": 2, "serving.service_s": 20.0,
        "serving.deadline_s": 60.0, "rates.click_rate": 0.02, "demand.budget_share": None, "demand.frequency_cap": None,
        "sessions": None, "fatigue": None,
    }
)  # fmt: skip
MARKETS = {"at once": TINY, "with servers": WITH_SERVERS, "funnel": FEED}
ENGINES = ("compiled", "events")
ONE_AD = TINY.override({"demand.ads_per_campaign": 1})


class Ranks(RankingPolicy):
    """Decides from tick to tick what a list says; what was seen is kept."""

    def __init__(self, *decisions: Any) -> None:
        self.decisions = decisions

    def start(self, view: RankingView, dice: np.random.Generator) -> None:
        self.seen: list[RankingView] = []

    def decide(self, view: RankingView) -> Any:
        self.seen.append(view)
        return self.decisions[view.told.tick % len(self.decisions)]


def played(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> World:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    world.run()
    return world


def taped(scenario: Scenario, *decisions: Any, engine: Any = "compiled", seed: int = 3) -> Tape:
    world = World(scenario, {"ranking": Ranks(*decisions)} if decisions else None, seed=seed, engine=engine)
    read = give_tape(world, 50_000)
    world.run()
    return read()


def books(world: World) -> str:
    """A digest of all that is kept."""
    ledger = world.ledger
    arrays = (ledger.counts, ledger.sums, ledger.left, ledger.multiplier, ledger.market_price)
    return blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()


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

COLD = ONE_AD.override({"rates.new_share": 0.5, "rates.learning": {"shape": 1.5}, "days": 2})


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


# Models in stages.


class Own:
    """What the platform itself believes, in NumPy; who asks is written down."""

    def __init__(self, scenario: Scenario) -> None:
        market = build(scenario)
        assert market.ads is not None
        odds = market.users.interests.astype(float) @ market.ads.believed_vectors.T.astype(float) + market.ads.believed_bias
        self.table, self.asked = 1 / (1 + np.exp(-odds)), [(0, 0)]
        self.conversion = market.believed_conversion

    def rates(self, requests: Batch, ads: NDArray[np.int64]) -> Any:
        self.asked.append((len(requests.user), ads.shape[-1]))
        rows = np.broadcast_to(ads, (len(requests.user), ads.shape[-1]))
        return np.take_along_axis(self.table[requests.user], np.maximum(rows, 0), axis=1)


class OwnOfConversions(Own):
    def conversion_rates(self, day: int, tick: int) -> Any:
        return self.conversion[tick]


@pytest.mark.parametrize("market", MARKETS)
def test_a_model_that_says_what_the_platform_believes_changes_nothing(market: str) -> None:
    """But for rounding in the last place of float32."""
    scenario, model = MARKETS[market], OwnOfConversions(MARKETS[market])
    plain, modelled = taped(scenario), taped(scenario, Believe(model))
    for name in ("request", "campaign", "ad", "slot", "clicked"):
        np.testing.assert_array_equal(plain.column(name), modelled.column(name))
    np.testing.assert_allclose(plain.column("price"), modelled.column("price"), rtol=1e-4, atol=3)
    np.testing.assert_allclose(plain.believed, modelled.believed, rtol=1e-5)
    assert max(n for n, _ in model.asked) >= (64 if scenario.funnel else 900)  # whole blocks


class Halved:
    """Believes half of what the platform does; what it was told is written down."""

    def __init__(self) -> None:
        self.told: dict[tuple[int, int], float] = {}

    def corrected(self, requests: Batch, ads: NDArray[np.int64], believed: NDArray[np.float32]) -> Any:
        rows = np.broadcast_to(ads, believed.shape)
        for request, row, rates in zip(requests.number.tolist(), rows.tolist(), believed.tolist(), strict=True):
            self.told.update({(request, ad): rate for ad, rate in zip(row, rates, strict=True) if ad >= 0})
        return believed / 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", MARKETS)
def test_a_correction_is_told_what_the_platform_believes_and_both_are_noted(market: str, engine: Any) -> None:
    scenario, model = MARKETS[market], Halved()
    tape, own = taped(scenario, Believe(model), engine=engine), Own(scenario)
    user, ad, request = (tape.column(name) for name in ("user", "ad", "request"))
    cached = np.array([pair not in model.told for pair in zip(request.tolist(), ad.tolist(), strict=True)])
    assert cached.mean() < 0.5  # of those who waited long the ads of their segment, about which no model is asked
    np.testing.assert_allclose(tape.platform, own.table[user, ad], rtol=1e-5)
    np.testing.assert_allclose(tape.believed[~cached], tape.platform[~cached] / 2, rtol=1e-5)
    told = [model.told[pair] for pair in zip(request[~cached].tolist(), ad[~cached].tolist(), strict=True)]
    np.testing.assert_allclose(tape.platform[~cached], told, rtol=1e-5)


@pytest.mark.parametrize("stage", ["recall", "rough"])
def test_a_correction_of_an_early_stage_is_told_what_the_fine_sort_would_say(stage: str) -> None:
    model, own = Halved(), Own(FEED)
    tape = taped(FEED, Believe(model, stage))
    np.testing.assert_array_equal(tape.platform, tape.believed)
    users = dict(zip(tape.column("request").tolist(), tape.column("user").tolist(), strict=True))
    pairs = [(pair, rate) for pair, rate in model.told.items() if pair[0] in users]
    expected = [own.table[users[request], ad] for (request, ad), _ in pairs]
    np.testing.assert_allclose([rate for _, rate in pairs], expected, rtol=1e-5)


@pytest.mark.parametrize("stage", ["recall", "rough"])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_early_stage_by_a_sharper_model_lets_through_what_the_fine_sort_wants(stage: str, engine: Any) -> None:
    """With quotas for all, the stage in question apart, the best by the platform's own belief are those of a market that sorts
    all ads finely."""
    count = 200
    blurred = FEED.override(
        {
            "funnel.recall": {"dimensions": 2, "noise": 3.0}, "funnel.rough": {"dimensions": 2, "noise": 3.0},
            "funnel.popular_share": 0.0, "funnel.exploring_share": 0.0, "serving": None,
            "funnel.levels": [{"recall": 30 if stage == "recall" else count, "rough": 30, "fine": 8}],
        }
    )  # fmt: skip
    full = blurred.override({"funnel.levels": [{"recall": count, "rough": count, "fine": 8}]})
    model = Own(blurred)
    every, blind = taped(full), taped(blurred)
    seen = taped(blurred, Weights(believe=[Believe(model, "recall"), Believe(model, "rough")]), engine=engine)
    for tape, least, most in ((seen, 0.97, 1.0), (blind, 0.0, 0.9)):
        same = len({*map(tuple, tape.ints[:, :6])} & {*map(tuple, every.ints[:, :6])}) / len(every.ints)
        assert least <= same <= most


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", ["at once", "funnel"])
def test_a_model_that_knows_the_truth_is_a_platform_that_does(market: str, engine: Any) -> None:
    """A platform whose beliefs are right from the first, against one in error and in the dark, with the truth in its stages."""
    right = MARKETS[market].override({"rates.belief_noise": 0.0, "serving": None})
    if right.funnel is not None:
        every = {"funnel.levels": [{"recall": 200, "rough": 200, "fine": 8}]}  # as far as the fine sort
        right = right.override({**every, "funnel.popular_share": 0.0, "funnel.exploring_share": 0.0})
    wrong = right.override({"rates.belief_noise": 1.0, "rates.belief_bias": 0.7, "rates.new_share": 0.5, "rates.learning": {}})
    told, knows = taped(wrong, Believe(Truth(wrong, 3)), engine=engine), taped(right)
    for name in ("request", "campaign", "ad", "slot", "clicked"):
        np.testing.assert_array_equal(told.column(name), knows.column(name))
    np.testing.assert_allclose(told.column("price"), knows.column("price"), rtol=1e-4, atol=3)
    np.testing.assert_allclose(told.believed, told.true, rtol=1e-5)
    assert len(taped(wrong).ints) != len(knows.ints) or (taped(wrong).ints[:, :6] != knows.ints[:, :6]).any()


@pytest.mark.parametrize("market", ["at once", "funnel"])
def test_a_model_may_be_dismissed_and_the_platform_goes_on_as_it_would_have(market: str) -> None:
    scenario = MARKETS[market].override({"serving": None, "ticks_per_day": 24})
    world = World(scenario, {"ranking": Ranks(Believe(Truth(scenario, 3)), Believe(None), *[None] * 22)}, seed=3)
    world.run()
    plain = played(scenario)
    assert (world.ledger.counts[0] != plain.ledger.counts[0]).any()
    counts = [Count.WINS, Count.IMPRESSIONS, Count.SPEND]
    np.testing.assert_array_equal(world.ledger.counts[1:, counts], plain.ledger.counts[1:, counts])


def test_a_model_in_place_of_beliefs_that_learn_is_asked_once_of_each_request() -> None:
    """What is learned of new ads meanwhile changes nothing of what it says."""

    class Counting(Truth):
        asked = 0

        def rates(self, requests: Batch, ads: NDArray[np.int64]) -> Any:
            Counting.asked += requests.number.size
            return super().rates(requests, ads)

    world = World(COLD, {"ranking": Ranks(Believe(Counting(COLD, 3)), *[None] * 47)}, seed=3)
    world.run()
    drawn = -(-world.played // CHUNK) * CHUNK
    assert drawn <= Counting.asked <= drawn + CHUNK
    assert world._exchange.state.beliefs.clicks.sum() > 0


def test_what_a_model_says_of_conversions_is_what_campaigns_bid() -> None:
    class Doubtful(OwnOfConversions):
        def conversion_rates(self, day: int, tick: int) -> Any:
            return self.conversion[tick] * (0.5 if tick < 12 else 1.0)

    half, whole = (taped(TINY, Believe(kind(TINY))) for kind in (Doubtful, OwnOfConversions))
    early = [tape.column("time_us") < TINY.day_us // 2 for tape in (half, whole)]
    bids = [tape.column("bid")[there].mean() for tape, there in zip((half, whole), early, strict=True)]
    assert bids[0] == pytest.approx(bids[1] / 2, rel=0.02)
    np.testing.assert_array_equal(half.ints[~early[0]], whole.ints[~early[1]])


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


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda n, m: np.full((n, m), 1.0), r"a click rate of 1.0: above 0 and below 1 are allowed"),
        (lambda n, m: np.full((n, m), np.nan), r"a click rate of nan"),
        (lambda n, m: np.full((m, n), 0.5), r"\(requests, ads\) = \(\d+, 12\) click rates, not \(12, \d+\)"),
        (lambda n, m: "often", r"click rates in numbers, not str"),
    ],
)
def test_what_a_model_says_is_checked(said: Callable[[int, int], Any], words: str) -> None:
    class Wrong:
        def rates(self, requests: Batch, ads: NDArray[np.int64]) -> Any:
            return said(len(requests.user), ads.shape[-1])

    with pytest.raises(PolicyError, match=words):
        played(TINY, Believe(Wrong()))


@pytest.mark.parametrize("rates", [[0.1] * 5, [0.0] * 6, "none"])
def test_what_a_model_says_of_conversions_is_checked(rates: Any) -> None:
    class Wrong(Own):
        def conversion_rates(self, day: int, tick: int) -> Any:
            return rates

    with pytest.raises(PolicyError, match=r"Wrong (must say|said) (a conversion rate|conversion rates)"):
        played(TINY, Believe(Wrong(TINY)))


def test_who_ranks_does_not_sell_besides_and_needs_ads_with_rates_of_their_own() -> None:
    with pytest.raises(PolicyError, match=r"^the ranking seat and the auction seat decide on the same: only one of them"):
        World(TINY, {"auction": Open(), "ranking": Open()})
    with pytest.raises(PolicyError, match=r"^the ranking seat needs rates of kind interests, and scenario 'uniform' has none"):
        World(Scenario.preset("uniform"), {"ranking": Open()})


def test_recall_by_an_index_takes_no_model() -> None:
    pytest.importorskip("faiss")
    indexed = FEED.override({"funnel.index": {"lists": 8, "probed": 4}})
    with pytest.raises(PolicyError, match=r"recall by a model needs funnel.index None"):
        played(indexed, Believe(Own(indexed), "recall"))


def test_a_market_that_is_split_has_no_ranking_seat() -> None:
    from adarena.simulator.shards import Sharded

    with pytest.raises(MarketError, match="cannot be split over shards with beliefs that learn, or somebody who ranks"):
        World(TINY, {"ranking": Open()}, engine=Sharded(2))


def test_the_log_of_candidates_tells_of_a_model_what_it_has_let_through(tmp_path: Path) -> None:
    """Each impression shows an ad that the log's trace of its request has passed on, under models in all stages."""
    scenario = FEED.override({"traffic.requests_per_day": 200, "ticks_per_day": 6})
    every = Weights(believe=[Believe(Own(scenario), stage) for stage in ("recall", "rough", "fine")])
    world = World(scenario, {"ranking": Ranks(every)}, seed=3, journal=Logs(tmp_path, candidates=1.0))
    world.run()
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    passed = pq.read_table(tmp_path / "candidates.parquet").to_pandas()
    passed = passed[passed["stage"] == "fine"]
    assert len(shown) > 100
    assert set(zip(shown["request"], shown["ad"], strict=True)) <= set(zip(passed["request"], passed["ad"], strict=True))
