"""The approximate index: what it finds against scoring every ad, and that chance, threads and splits do not matter to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from adarena.agents.bidding import PID
from adarena.benchmarks.audits.funnel import audit, index_recall
from adarena.simulator import Scenario, World
from adarena.simulator.core.arrays import CHUNK
from adarena.simulator.core.chance import stream_keys
from adarena.simulator.core.errors import AdArenaError
from adarena.simulator.delivery.funnel import Winnow
from adarena.simulator.market.market import Market, build

LISTS = 64


def market(index: dict[str, int] | None, **changes: Any) -> Scenario:
    """`tiny` with 3,000 ads of 300 campaigns, 100 of which recall passes on."""
    return Scenario.preset("tiny").override(
        {
            "demand.campaigns": 300, "demand.ads_per_campaign": 10, "demand.verticals": 20, "rates.belief_noise": 0.2,
            "users.dimensions": 16, "funnel": {"levels": [{"recall": 100, "rough": 40, "fine": 10}], "index": index}, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def faiss() -> Any:
    return pytest.importorskip("faiss", reason="the approximate index is an extra: pip install 'adarena[index]'")


def opened(index: dict[str, int] | None) -> tuple[Market, Winnow]:
    """The funnel of that market, nobody having bid."""
    scenario = market(index)
    built = build(market(None))  # the same but for what is calibrated through the index
    assert scenario.funnel is not None
    assert built.ads is not None
    assert built.stages is not None
    return built, Winnow(scenario.funnel, built.stages, built.ads, built.users, built.campaigns.ad_campaign, stream_keys(7))


def bids(seed: int, silent: float = 0.1) -> np.ndarray:
    """Bids per click of the campaigns, a share of which take no part."""
    dice = np.random.default_rng(seed)
    return (np.exp(dice.standard_normal(300)) * (dice.random(300) >= silent)).astype(np.float32)


def filled(winnow: Winnow, built: Market, starts: tuple[int, ...] = (0,)) -> tuple[np.ndarray, ...]:
    """A block of candidates, filled from each of some places on."""
    users = np.random.default_rng(5).integers(len(built.users.segment), size=CHUNK)
    shape = int(winnow.first_row[-1]), CHUNK
    block = np.zeros(shape, np.float32), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for start in starts:
        winnow.fill(3 * CHUNK, start, users, None, *block)
    return block


def test_probing_some_lists_finds_most_of_the_best(faiss: Any) -> None:
    found = [index_recall(market({"lists": LISTS, "probed": probed}), 200) for probed in (1, 4, 20, LISTS)]
    assert (np.diff(found) > 0).all()
    assert found[0] < 0.5
    assert 0.95 <= found[2] < 1
    assert found[3] == 1


def test_the_recall_of_an_index_counts_no_other_channel(faiss: Any) -> None:
    """Nor tiers whose ads are cached: where all lists are probed, nothing is missed."""
    search = {"concepts": 200, "queries": 500, "head_queries": 100, "keywords": 8}
    own = [{"tier": 0, "levels": [{"recall": 0, "rough": 0, "fine": 3}]}]
    scenario = market({"lists": LISTS, "probed": LISTS}, search=search, **{"demand.conversion_rate": 0.1})
    assert index_recall(scenario.override({"funnel.keyword_share": 0.5}), 100) == 1
    assert index_recall(scenario.override({"funnel.tiers": own}), 100) == 1


def test_probing_all_lists_finds_what_scoring_every_ad_does(faiss: Any) -> None:
    built, everything = opened(None)
    _, listed = opened({"lists": LISTS, "probed": LISTS})
    for winnow in (everything, listed):
        winnow.refresh(bids(1))
    for number, user in enumerate(range(0, 300, 3)):
        one, other = everything.trace(number, user), listed.trace(number, user)
        assert set(one.recalled) == set(other.recalled)
        assert set(one.sorted) == set(other.sorted)
        assert set(one.shown) == set(other.shown)
        # The same products are summed in another order: near 0 a sum errs by what rounds in these, and not by its own size.
        rounding = built.users.interests.shape[1] * np.finfo(np.float32).eps * np.abs(one.recall_score).max()
        np.testing.assert_allclose(one.recall_score, other.recall_score, rtol=0, atol=rounding)
    for exact, found in zip(filled(everything, built), filled(listed, built), strict=True):
        np.testing.assert_array_equal(np.sort(exact, axis=0), np.sort(found, axis=0))


def test_who_does_not_bid_is_never_recalled(faiss: Any) -> None:
    built, winnow = opened({"lists": LISTS, "probed": 8})
    owner = built.campaigns.ad_campaign
    for silent in (0.1, 0.9, 0.99):  # the last leaves fewer ads than lists, and than the quota
        live = bids(2, silent)
        winnow.refresh(live)
        takes_part = np.flatnonzero(live[owner] > 0)
        assert takes_part.size > 0
        for number, user in enumerate(range(0, 300, 11)):
            trace = winnow.trace(number, user)
            assert 0 < trace.recalled.size <= takes_part.size
            assert np.isin(trace.recalled, takes_part).all()
            assert len(set(trace.recalled)) == trace.recalled.size
    winnow.refresh(np.zeros(300, np.float32))
    assert winnow.trace(0, 0).recalled.size == 0
    assert not filled(winnow, built)[0].any()


@pytest.mark.parametrize(
    "funnel",
    [
        {"funnel.popular_share": 0.6, "funnel.exploring_share": 0.4},
        {"funnel.tiers": [{"tier": 0, "levels": [{"recall": 0, "rough": 0, "fine": 3}]}]},
    ],
)
def test_an_index_need_not_be_asked(faiss: Any, funnel: dict[str, Any]) -> None:
    """Where the other channels take all of the quota, or every tier is shown cached ads."""
    scenario = market({"lists": LISTS, "probed": 8}).override(funnel | {"traffic.requests_per_day": 100})
    world = World(scenario)
    world.run()
    assert world.ledger.impressions().any()


def test_candidates_depend_on_the_bids_alone(faiss: Any) -> None:
    """Not on the bids before, nor on where a block is taken up again, nor on how many threads FAISS might use."""
    built, winnow = opened({"lists": LISTS, "probed": 8})
    winnow.refresh(bids(1))
    first = filled(winnow, built)
    assert first[0].any()
    winnow.refresh(bids(2))
    between = filled(winnow, built)
    assert (between[1] != first[1]).any()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        winnow.refresh(bids(1))
        for again in (filled(winnow, built), filled(winnow, built, (0, 1, 300, 1_000)), filled(opened_with(bids(1)), built)):
            for one, other in zip(first, again, strict=True):
                np.testing.assert_array_equal(one, other)
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(threads)
    late = filled(winnow, built, (300,))
    for one, other in zip(first, late, strict=True):
        assert not other[:, :300].any()
        np.testing.assert_array_equal(one[:, 300:], other[:, 300:])


def opened_with(live: np.ndarray) -> Winnow:
    _, winnow = opened({"lists": LISTS, "probed": 8})
    winnow.refresh(live)
    return winnow


@pytest.mark.parametrize("serving", [None, {"servers": 2, "service_s": 60.0}])
def test_both_engines_write_the_same_books(faiss: Any, tmp_path: Path, serving: dict[str, Any] | None) -> None:
    levels = [
        {"recall": 100, "rough": 40, "fine": 10},
        {"recall": 30, "rough": 10, "fine": 5, "after_wait_s": 30.0},
    ]
    changes = {"traffic.requests_per_day": 1_500, "serving": serving}
    scenario = market({"lists": LISTS, "probed": 8}, **changes).override({"funnel.levels": levels})
    found = []
    for engine in ("compiled", "events"):
        world = World(scenario, {"bidding": PID()}, 3, engine, tmp_path / engine)  # type: ignore[arg-type]
        world.run()
        assert world.ledger.counts.any()
        found.append((world.ledger, pq.read_table(tmp_path / engine / "impressions.parquet")))
    (ledger, impressions), (same_ledger, same_impressions) = found
    for name in ("counts", "sums", "left", "multiplier", "market_price"):
        np.testing.assert_array_equal(getattr(ledger, name), getattr(same_ledger, name))
    assert impressions.equals(same_impressions)


def test_an_audit_looks_through_the_index(faiss: Any) -> None:
    few, many = (audit(market({"lists": LISTS, "probed": probed}), 100) for probed in (1, LISTS))
    assert few.recall[0] < many.recall[0]


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(AdArenaError, match=r"needs the package faiss: pip install 'adarena\[index\]'") as caught:
        World(market({"lists": 7, "probed": 3}))  # met nowhere else, so that no market of it is built yet
    assert "\n" not in str(caught.value)


def test_wrong_indexes_are_one_sentence() -> None:
    with pytest.raises(AdArenaError, match="probed must not exceed lists, and 65 does 64") as caught:
        market({"lists": 64, "probed": 65})
    assert "\n" not in str(caught.value)
    with pytest.raises(AdArenaError, match=r"funnel\.index has no field 'probe'"):
        market({"probe": 3})
    with pytest.raises(AdArenaError, match="has no approximate index"):
        index_recall(market(None))


def test_an_index_has_a_digest_of_its_own() -> None:
    scenarios = [market(index) for index in (None, {}, {"lists": 64})]
    assert len({scenario.digest for scenario in scenarios}) == 3
