"""The funnel: against a slow one written in NumPy, its steps down, and what it lets through as quotas grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow.parquet as pq
import pytest
from funnel_markets import FULL, FUNNEL, NOTHING, crowd, market
from hypothesis import given, settings
from hypothesis import strategies as st

from adarena.agents.bidding import PID, FirstPriceShading
from adarena.simulator import Scenario, World
from adarena.simulator.core.chance import stream_keys
from adarena.simulator.core.compiled import OPTIONS
from adarena.simulator.core.errors import AdArenaError
from adarena.simulator.delivery.best import NOBODY, best_of, room_for
from adarena.simulator.delivery.funnel import Winnow
from adarena.simulator.delivery.queue import Served
from adarena.simulator.delivery.stages import channels
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import Market, build
from adarena.simulator.population.campaigns import demand_weather


@numba.njit(**OPTIONS)
def _best(score: Any, size: Any, wanted: Any, place: Any, value: Any, bins: Any) -> Any:
    return best_of(score, size, wanted, place, value, bins)


@settings(max_examples=300)
@given(
    size=st.integers(1, 4_000),
    share=st.sampled_from([0.001, 0.02, 0.2, 0.5, 1.0]),
    spread=st.sampled_from([0.0, 1e-7, 1.0, 30.0, 300.0]),
    grid=st.sampled_from([0.0, 0.5]),
    out=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1 << 30),
)
def test_the_best_of_many_are_the_best(size: int, share: float, spread: float, grid: float, out: float, seed: int) -> None:
    """Ties, narrow and wide scores, and ads that take no part."""
    dice = np.random.default_rng(seed)
    score = (spread * dice.standard_normal(size) - 5).astype(np.float32)
    if grid:
        score = (np.round(score / grid) * grid).astype(np.float32)
    score[dice.random(size) < out] = NOBODY
    wanted = max(1, int(share * size))
    room = room_for(size)
    scratch = [np.full(room + 64, 7, kind) for kind in (np.int32, np.float32, np.int32)]
    place, value, bins = (array[:room] for array in scratch)
    found = _best(score, size, wanted, place, value, bins)
    assert all((array[room:] == 7).all() for array in scratch)
    live = np.sort(score[score > NOBODY])[::-1]
    assert found == min(wanted, live.size)
    assert len(set(place[:found].tolist())) == found
    np.testing.assert_array_equal(score[place[:found]], value[:found])
    np.testing.assert_array_equal(np.sort(value[:found])[::-1], live[:found])


def opened(scenario: Scenario) -> tuple[Market, Winnow, np.ndarray]:
    """The funnel of a market with some bids in its index, a tenth of the campaigns taking no part, and those bids."""
    assert scenario.funnel is not None
    built = build(scenario)
    assert built.ads is not None
    assert built.stages is not None
    winnow = Winnow(scenario.funnel, built.stages, built.ads, built.users, built.campaigns.ad_campaign, stream_keys(7))
    dice = np.random.default_rng(3)
    campaigns = len(built.campaigns.names)
    live = (np.exp(dice.standard_normal(campaigns)) * (dice.random(campaigns) > 0.1)).astype(np.float32)
    winnow.refresh(live)
    return built, winnow, live


def test_stages_against_a_slow_funnel() -> None:
    """Each stage keeps the best by its own view of users and ads; campaigns appear once; channels fill their shares."""
    scenario = market(popular_share=0.2, exploring_share=0.1, new_share=0.3)
    built, winnow, live = opened(scenario)
    assert built.ads is not None
    assert built.stages is not None
    owner = built.campaigns.ad_campaign
    with np.errstate(divide="ignore"):
        offset = np.log(live.astype(np.float64))[owner]
    recall, rough = built.stages
    popular = np.argsort(-(built.ads.believed_bias + offset))[:12]
    explored = 0
    for number, user in enumerate(range(0, 300, 7)):
        person = built.users.interests[user].astype(np.float64)
        trace = winnow.trace(number, user)
        score = recall.ads @ person[:4] + recall.bias + offset
        order = np.argsort(-score)
        best = set(order[:42])
        kept = set(trace.recalled.tolist())
        edge = score[order[41]]
        assert all(score[a] > edge - 1e-4 for a in trace.recalled[:42])
        assert set(popular[np.isfinite(offset[popular])]) <= kept
        extra = kept - best - set(popular)
        explored += len(extra)
        assert all(built.ads.new[a] for a in extra if abs(score[a] - edge) > 1e-4)
        assert np.isfinite(offset[trace.recalled]).all()
        second = rough.ads[trace.recalled] @ person[:6] + rough.bias[trace.recalled] + offset[trace.recalled]
        np.testing.assert_allclose(trace.rough_score, second, atol=1e-4)
        assert set(trace.sorted) == set(trace.recalled[np.argsort(-second)[:20]])
        fine = built.ads.believed_vectors[trace.sorted] @ person + built.ads.believed_bias[trace.sorted]
        worth = np.log(1 / (1 + np.exp(-fine))) + offset[trace.sorted]
        by_owner: dict[int, int] = {}
        for place in np.argsort(-worth):
            by_owner.setdefault(int(owner[trace.sorted[place]]), int(trace.sorted[place]))
        assert sorted(trace.shown) == sorted(list(by_owner.values())[:8])
    assert explored > 50


def test_stages_and_beliefs_err_as_they_are_told() -> None:
    """Log odds seen against those they are of, over users and ads: slope, what is added to all, error of an ad, no more."""
    errs = {"belief_slope": 1.5, "belief_sigma": 0.4, "belief_bias": 0.3, "belief_noise": 0.0}
    scenario = market(rough={"dimensions": 8, "sigma": 0.6, "slope": 0.7}).override(
        {f"rates.{name}": value for name, value in errs.items()} | {"demand.campaigns": 1_000}
    )
    built = build(scenario)
    assert built.ads is not None
    assert built.stages is not None
    people, rough = built.users.interests[:400].astype(np.float64), built.stages[1]
    true = people @ built.ads.vectors.T + built.ads.bias
    believed = people @ built.ads.believed_vectors.T + built.ads.believed_bias
    seen = people @ rough.ads.T + rough.bias
    base = np.log(scenario.rates.click_rate / (1 - scenario.rates.click_rate)) if scenario.rates.kind == "interests" else 0
    for of, by, slope, centre, shift, sigma in ((true, believed, 1.5, base, 0.3, 0.4), (believed, seen, 0.7, None, 0.0, 0.6)):
        middle = of.mean() if centre is None else centre
        error = by - (middle + shift + slope * (of - middle))
        assert error.std(axis=0).max() < 0.02 * sigma  # the same whoever asks
        assert abs(error.mean()) < 4 * sigma / 3_000**0.5 + 0.02
        assert abs(error.mean(axis=0).std() / sigma - 1) < 4 / 6_000**0.5


def test_a_wrong_slope_matters_only_where_bids_differ() -> None:
    """A stage that takes log odds for half of what they are ranks the same under one bid, and favours high bids else."""
    views = [market(rough={"dimensions": 8, "slope": slope}) for slope in (1.0, 0.5)]
    for bids_differ in (False, True):
        kept = []
        for scenario in views:
            built = build(scenario)
            assert scenario.funnel is not None
            assert built.ads is not None
            assert built.stages is not None
            owner = built.campaigns.ad_campaign
            winnow = Winnow(scenario.funnel, built.stages, built.ads, built.users, owner, stream_keys(1))
            bid = np.where(np.arange(100) % 2, 1.3e6, 1e6) if bids_differ else np.full(100, 1e6)
            winnow.refresh(bid.astype(np.float32))
            kept.append([winnow.trace(user, user).sorted for user in range(50)])
        if bids_differ:
            high = [np.mean([(owner[ads] % 2).mean() for ads in of]) for of in kept]
            assert high[1] > high[0] + 0.03
        else:
            assert all(set(one) == set(other) for one, other in zip(*kept, strict=True))


def test_a_world_winnows_as_the_trace_says(tmp_path: Path) -> None:
    """Whoever wins was a candidate, at the rate that the platform believes of it; the winner of the first slot ranks first."""
    scenario = market().override({"demand.budget_share": None})
    world = World(scenario, seed=7, journal=tmp_path)
    world.run(scenario.tick_us)
    world.run()
    built = build(scenario)
    assert scenario.funnel is not None
    assert built.ads is not None
    assert built.stages is not None
    winnow = Winnow(scenario.funnel, built.stages, built.ads, built.users, built.campaigns.ad_campaign, stream_keys(7))
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    first = shown[shown["time_us"] < scenario.tick_us]
    assert len(first) > 50
    conversion = built.believed_conversion[0]
    live = (built.campaigns.target * demand_weather(scenario, built.campaigns, 7, 0)[0] * 1e6 * conversion).astype(np.float32)
    winnow.refresh(live)
    for _, row in first.iterrows():
        trace = winnow.trace(int(row["request"]), int(row["user"]))
        odds = built.ads.believed_vectors[trace.shown] @ built.users.interests[int(row["user"])]
        rate = 1 / (1 + np.exp(-(odds + built.ads.believed_bias[trace.shown])))
        order = np.argsort(-live[built.campaigns.ad_campaign[trace.shown]] * rate)
        place = order[int(row["slot"])]
        assert trace.shown[place] == row["ad"]
        assert row["believed_rate"] == pytest.approx(rate[place], rel=1e-4)


def served(levels: list[dict[str, Any]], **changes: Any) -> World:
    """A day of that market on one server that is overloaded by half."""
    scenario = market(levels=levels).override(
        {"serving": {"servers": 1, "service_s": 1.5 * 86_400 / 2_000, "service": "fixed"}, **changes}
    )
    world = World(scenario, seed=1)
    world.run()
    return world


def test_who_has_waited_gets_less_work_and_fewer_ads(tmp_path: Path) -> None:
    costs = {"funnel.fine_cost_s": 3.0}  # 60 s for all quotas
    full = served([FULL], **costs)
    ladder = served([FULL, {"recall": 30, "rough": 5, "fine": 3, "after_wait_s": 100.0}], **costs)
    assert full.played == ladder.played
    assert full.serving is not None
    assert ladder.serving is not None
    assert full.serving.counts[:, Served.STEPPED_DOWN].sum() == 0
    assert ladder.serving.counts[:, Served.STEPPED_DOWN].sum() > 500
    assert ladder.serving.counts[:, Served.AUCTIONED].sum() > 1.3 * full.serving.counts[:, Served.AUCTIONED].sum()
    a_request = [
        w.ledger.value().sum() / w.serving.counts[:, Served.AUCTIONED].sum() for w in (full, ladder) if w.serving is not None
    ]
    assert a_request[1] < a_request[0]


def test_cached_ads_are_worth_less_than_chosen_ones_and_none_nothing() -> None:
    worth = []
    for last in ({"recall": 0, "rough": 0, "fine": 8}, {"recall": 0, "rough": 0, "fine": 0}):
        world = served([FULL, {**last, "after_wait_s": 1e-6}])
        assert world.serving is not None
        stepped = world.serving.counts[:, Served.STEPPED_DOWN].sum()
        assert stepped > 1_000
        worth.append(world.ledger.value().sum())
        wins = world.ledger.counts[:, Count.WINS].sum()
        if last["fine"] == 0:
            assert 0 < wins <= 2 * (world.serving.counts[:, Served.BEGUN].sum() - stepped)
    everything = served([FULL]).ledger.value().sum()
    assert everything > 1.05 * worth[0]
    assert worth[0] > 1.5 * worth[1]


@pytest.mark.parametrize("billing", ["cpm", "cpc", "cpa"])
def test_who_cannot_pay_leaves_the_index_at_the_next_tick(billing: str) -> None:
    """Rich campaigns of a small budget: once it is spent the others fill every slot."""
    world = World(crowd(billing=billing, budget_per_day=1.0), seed=1)
    world.run()
    shown = world.ledger.impressions()
    if billing != "cpa":  # charged when reported, by when more was won
        assert shown[:, :10].sum() < 0.2 * shown.sum()
    assert (shown.sum(axis=1)[4:] == world.ledger.requests()[4:]).all()


def test_who_has_reached_its_cap_leaves_room_for_others() -> None:
    """Each user sees ten rich campaigns once, and then, as soon as a block is filled anew, the others."""
    world = World(crowd(frequency_cap=1), seed=1)
    world.run()
    shown = world.ledger.impressions()
    assert shown[:, :10].sum() == 10 * 100
    assert shown.sum() > 0.8 * world.ledger.requests().sum()
    assert (shown.sum(axis=1)[12:] == world.ledger.requests()[12:]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"levels": [{"recall": 10, "rough": 20, "fine": 5}]}, "quotas must not rise from stage to stage, as 10, 20, 5 do"),
        ({"levels": [{**FULL, "after_wait_s": 1.0}]}, "the first of the levels is the full one"),
        ({"levels": [FULL, FULL]}, "levels go down"),
        ({"levels": []}, "funnel.levels cannot be"),
        ({"levels": [NOTHING]}, "the first of the levels is the full one: its quotas are above 0"),
        ({"tiers": [{"tier": 1, "levels": [FULL]}]}, "funnel.tiers has quotas for tier 1, but users.tiers has only 0"),
        ({"tiers": [{"tier": 0, "levels": [FULL]}] * 2}, "a tier has one set of quotas, and tier 0 stands twice"),
        ({"tiers": [{"tier": 0, "levels": [FULL, FULL]}]}, "levels go down"),
        ({"tiers": [{"tier": 0, "levels": [{**FULL, "after_wait_s": 1.0}]}]}, "its after_wait_s is 0, not 1"),
        ({"tiers": [{"tier": 0}]}, "funnel.tiers.0.levels is missing"),
        ({"tiers": [{"levels": [FULL]}]}, "funnel.tiers.0.tier is missing"),
        ({"popular_share": 0.9, "exploring_share": 0.2}, "come to more than recall's quota"),
        ({"recal": {}}, "funnel has no field 'recal'"),
    ],
)
def test_wrong_funnels_are_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AdArenaError, match=words) as caught:
        market(**change)
    assert "\n" not in str(caught.value)


def test_a_funnel_needs_interests_and_multipliers() -> None:
    with pytest.raises(AdArenaError, match="a funnel needs rates of kind interests, not uniform"):
        Scenario.preset("uniform").override({"funnel": FUNNEL})
    with pytest.raises(AdArenaError, match="behind a funnel a campaign does not meet every request"):
        World(market(), record=0)
    world = World(market(), {"bidding": {0: FirstPriceShading(), 1: PID()}})
    with pytest.raises(AdArenaError, match="FirstPriceShading bids by request, but behind a funnel"):
        world.run()


def test_shares_that_round_up_take_no_more_than_the_quota() -> None:
    """Half of 3 and half of 3, each rounded up, are more than 3."""
    settings = market(popular_share=0.5, exploring_share=0.5, levels=[{"recall": 3, "rough": 3, "fine": 3}]).funnel
    assert settings is not None
    assert channels(settings, 3) == (0, 2, 1, 0)
    for quota in range(200):
        shared = channels(settings.model_copy(update={"keyword_share": 0.35, "exploring_share": 0.15}), quota)
        assert min(shared) >= 0
        assert sum(shared) == quota


def test_winnowing_again_forgets_the_first_time() -> None:
    """At a tick the rest of a block goes through the funnel once more, as if for the first time."""
    scenario = market(popular_share=0.3, exploring_share=0.2)
    built, winnow, live = opened(scenario)
    other = np.linspace(2.0, 0.1, len(built.campaigns.names), dtype=np.float32)
    _, fresh, _ = opened(scenario)
    fresh.refresh(other)
    for number, user in enumerate(range(0, 300, 11)):
        winnow.refresh(live)
        winnow.trace(number, user)
        winnow.refresh(other)
        for again, first in zip(winnow.trace(number, user), fresh.trace(number, user), strict=True):
            np.testing.assert_array_equal(again, first)
