"""Models in the stages of a funnel or at the auction: what they are asked and told, what comes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from ranking_markets import COLD, Ranks, played, taped
from seat_markets import ENGINES, FEED, MARKETS, TINY

from adarena.agents.hindsight.ranking import Truth
from adarena.simulator import Logs, PolicyError, Scenario, World
from adarena.simulator.core.arrays import CHUNK
from adarena.simulator.delivery.models import Batch
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import build
from adarena.simulator.seats.ranking.decisions import Believe, Weights


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


def test_recall_by_an_index_takes_no_model() -> None:
    pytest.importorskip("faiss")
    indexed = FEED.override({"funnel.index": {"lists": 8, "probed": 4}})
    with pytest.raises(PolicyError, match=r"recall by a model needs funnel.index None"):
        played(indexed, Believe(Own(indexed), "recall"))


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
