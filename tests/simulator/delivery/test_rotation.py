"""Rotation: which of its creatives an ad shows, what users make of it, and that the books say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from creative_markets import DAY_US, listed, made, tiny
from scipy import stats
from tapes import Tape, give_tape

from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.chance import Stream, stream_keys, uniforms
from adarena.simulator.engine.state import JOURNAL_INTS
from adarena.simulator.scenario.creatives import FORMATS, Creative
from adarena.simulator.scenario.demand import Ad


def played(world: World) -> Tape:
    """All impressions of a world."""
    read = give_tape(world, 100_000)
    world.run()
    return read()


def test_an_ad_of_one_creative_is_as_without_creatives() -> None:
    with_, without = World(tiny({"per_ad": [1, 1]}, fatigue={})), World(Scenario.preset("tiny").override({"fatigue": {}}))
    one, two = played(with_), played(without)
    np.testing.assert_array_equal(one.true, two.true)
    for name in set(JOURNAL_INTS) - {"creative"}:
        np.testing.assert_array_equal(one.column(name), two.column(name), err_msg=name)
    np.testing.assert_array_equal(one.column("creative"), one.column("ad"))
    assert (two.column("creative") == -1).all()
    assert without.creatives is None
    np.testing.assert_array_equal(with_.ledger.sums, without.ledger.sums)


def first_sight(world: World, tape: Tape) -> Any:
    """The true click rate of each impression, by definition."""
    ads, people, held = world._exchange.market.ads, world._exchange.market.users, made(world.scenario)
    assert ads is not None
    user, ad, creative = (tape.column(name) for name in ("user", "ad", "creative"))
    liking = people.interests[user].astype(float) * ads.vectors[ad].astype(float)
    odds = ads.bias[ad].astype(float) + liking.sum(axis=1)
    odds += held.appeal[creative].astype(float) + held.interaction[creative, people.segment[user]].astype(float)
    return 1 / (1 + np.exp(-odds))


@pytest.mark.parametrize("funnel", [None, {"levels": [{"recall": 10, "rough": 6, "fine": 4}]}])
def test_the_true_rate_is_that_of_the_creative_shown(funnel: Any) -> None:
    world = World(
        tiny({"appeal_sigma": 1.0, "interaction_sigma": 1.0}, funnel=funnel, **{"traffic.requests_per_day": 10_000}), seed=3
    )
    tape = played(world)
    held = made(world.scenario)
    np.testing.assert_array_equal(held.ad[tape.column("creative")], tape.column("ad"))
    np.testing.assert_allclose(tape.true, first_sight(world, tape), rtol=1e-12)
    clicked = tape.column("clicked")
    assert abs(clicked.sum() - tape.true.sum()) < 4 * (tape.true * (1 - tape.true)).sum() ** 0.5
    # What the platform believes is of the ad, whichever creative is shown.
    same = tape.column("user") * 1_000 + tape.column("ad")
    for which in np.unique(same)[:200]:
        assert np.ptp(tape.believed[same == which]) < 1e-6


def test_creatives_are_shown_by_their_shares() -> None:
    ads = (Ad(name="a", creatives=tuple(Creative(name=f"v{n}") for n in range(4))),)
    world = World(listed(*ads), seed=2)
    even = np.bincount(played(world).column("creative"), minlength=4)[:4]
    assert even.sum() > 15_000
    assert stats.chisquare(even).pvalue > 1e-3
    world = World(listed(*ads), seed=2)
    wanted = np.array([0.5, 0.0, 0.2, 0.3])
    world.set_creative_shares("c0", wanted)
    shown = np.bincount(played(world).column("creative"), minlength=4)[:4]
    assert shown[1] == 0
    assert stats.chisquare(shown[[0, 2, 3]], wanted[[0, 2, 3]] * shown.sum()).pvalue > 1e-3
    assert world.creatives is not None
    np.testing.assert_allclose(world.creatives.share[:4], wanted)


def test_each_ad_of_a_request_draws_its_creative_for_itself() -> None:
    world = World(tiny({"per_ad": [2, 4]}), seed=9)
    tape = played(world)
    held, key, draw = made(world.scenario), stream_keys(9)[Stream.CREATIVE], np.empty(1)
    count = np.diff(held.first)
    for request, ad, creative in zip(*(tape.column(name).tolist() for name in ("request", "ad", "creative")), strict=True):
        uniforms(key, request, 1, ad, draw)
        assert creative == held.first[ad] + int(draw[0] * count[ad])


def test_zero_shares_are_never_shown_however_shares_are_rounded() -> None:
    ads = (Ad(name="a", creatives=tuple(Creative(name=f"v{n}") for n in range(40))),)
    world = World(listed(*ads))
    dice = np.random.default_rng(0)
    share = world._exchange.state.rotation.share
    for _ in range(500):
        wanted = dice.random(40) * (dice.random(40) < 0.6)
        if wanted.sum() == 0:
            continue
        wanted /= wanted.sum()
        world.set_creative_shares(0, wanted)
        assert share[39] == 1.0
        np.testing.assert_array_equal(np.diff(share[:40], prepend=0.0) == 0, wanted == 0)
        np.testing.assert_allclose(np.diff(share[:40], prepend=0.0), wanted, atol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_shares_act_from_their_instant_and_for_their_ad_alone(engine: Any) -> None:
    """Nothing else of the day depends on them where nobody's budget or policy does."""
    pair = (Creative(name="x", appeal=0.3), Creative(name="y", appeal=-0.3))
    ads = (Ad(name="a", creatives=pair), Ad(name="b", creatives=pair))
    scenario = listed(*ads, **{"rates.belief_noise": 0.5})  # now this ad of the campaign is believed to be best, now that one
    before = played(World(scenario, seed=1))
    ad, time = before.column("ad"), before.column("time_us")
    instant = int(time[7_000])
    world = World(scenario, seed=1, engine=engine)

    def deed() -> Any:
        yield world.env.timeout(instant)
        world.set_creative_shares("c0", [0.0, 1.0], ad="b")

    world.process(deed())
    after = played(world)
    turned = (time >= instant) & (ad == 1)
    for name in ("request", "time_us", "user", "campaign", "ad", "slot", "bid", "price"):
        np.testing.assert_array_equal(after.column(name), before.column(name))
    np.testing.assert_array_equal(after.ints[~turned], before.ints[~turned])
    assert min(turned.sum(), (ad == 0).sum()) > 1_000
    assert (after.column("creative")[turned] == 3).all()
    assert 0.4 < (before.column("creative")[turned] == 3).mean() < 0.6


def test_the_luck_of_a_request_is_that_of_all_creatives() -> None:
    """Potential outcomes: whoever clicks on the worse of two creatives would click on the better one."""
    pair = (Creative(name="worse", appeal=-1.0), Creative(name="better", appeal=1.0))
    scenario = listed(Ad(name="a", creatives=pair), **{"creatives.interaction_sigma": 0.0, "creatives.format_sigma": 0.0})
    tapes = []
    for shares in ([1.0, 0.0], [0.0, 1.0]):
        world = World(scenario, seed=5)
        world.set_creative_shares(0, shares)
        tapes.append(played(world))
    worse, better = (tape.column("clicked")[tape.column("campaign") == 0] for tape in tapes)
    assert (worse <= better).all()
    assert worse.sum() < better.sum()


def test_users_tire_of_the_creative_they_see() -> None:
    half_life_s = 20_000.0
    scenario = tiny(
        {"per_ad": [3, 3]}, fatigue={"exponent": 0.5, "half_life_s": half_life_s},
        **{"users.count": 10, "traffic.requests_per_day": 6_000},
    )  # fmt: skip
    world = World(scenario, seed=5)
    tape = played(world)
    remembered: dict[tuple[int, int], tuple[float, int]] = {}
    factors = []
    for u, c, now in zip(*(tape.column(name).tolist() for name in ("user", "creative", "time_us")), strict=True):
        count, last = remembered.get((u, c), (0.0, now))
        count *= 0.5 ** ((now - last) / 1e6 / half_life_s)
        factors.append((1 + count) ** -0.5)
        remembered[u, c] = count + 1, now
    assert len(remembered) > 1.5 * len(set(zip(tape.column("user").tolist(), tape.column("ad").tolist(), strict=True)))
    np.testing.assert_allclose(tape.true, first_sight(world, tape) * factors, rtol=1e-9)


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_the_books_are_those_of_the_ledger_and_of_the_impressions(engine: Any) -> None:
    scenario = tiny({}, days=2, **{"traffic.requests_per_day": 5_000})
    world = World(scenario, seed=4, engine=engine)
    tape = played(world)
    assert world.creatives is not None
    frame, creative = world.creatives.to_frame(), tape.column("creative")
    total = len(frame)
    np.testing.assert_array_equal(frame["impressions"], np.bincount(creative, minlength=total))
    np.testing.assert_array_equal(frame["clicks"], np.bincount(creative, tape.column("clicked"), total))
    np.testing.assert_array_equal(frame["conversions"], np.bincount(creative, tape.column("converted"), total))
    by_campaign = frame.groupby("campaign", observed=False)[["impressions", "clicks", "conversions", "value"]].sum()
    ledger = (
        world.ledger.to_frame().groupby("campaign", observed=False)[["impressions", "clicks", "conversions", "value"]].sum()
    )
    np.testing.assert_allclose(by_campaign, ledger, rtol=1e-9)
    today = tape.column("time_us") >= DAY_US
    last = world.creatives.to_frame(today=True)
    np.testing.assert_array_equal(last["impressions"], np.bincount(creative[today], minlength=total))
    np.testing.assert_array_equal(last["clicks"], np.bincount(creative[today], tape.column("clicked")[today], total))
    assert 0 < last["value"].sum() < frame["value"].sum()
    held = made(scenario)
    np.testing.assert_array_equal(frame["fresh"], held.fresh)
    assert frame["format"].tolist() == [FORMATS[f] for f in held.format]
    np.testing.assert_allclose(frame.groupby(["campaign", "ad"], observed=True)["share"].sum(), 1)


def test_the_record_is_of_the_creative_that_is_shown() -> None:
    scenario = listed(Ad(name="a", creatives=(Creative(name="x", appeal=1.0), Creative(name="y", appeal=-1.0))))
    world = World(scenario, seed=1, record=0)
    tape, record = played(world), world.recorded()
    mine = tape.column("campaign") == 0
    np.testing.assert_allclose(record.value[tape.column("request")[mine]], 3.0 * tape.true[mine], rtol=1e-12)
    np.testing.assert_array_equal(record.clicked[tape.column("request")[mine]], tape.column("clicked")[mine])


def test_the_journal_has_creatives_and_changes_of_shares(tmp_path: Path) -> None:
    scenario = tiny({"per_ad": [2, 2]})
    world = World(scenario, seed=1, journal=tmp_path)
    world.run(1_000)
    world.set_creative_shares("c2", [0.1, 0.9], ad="ad-1")
    world.run()
    assert world.creatives is not None
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    np.testing.assert_array_equal(np.bincount(shown["creative"], minlength=24), world.creatives.to_frame()["impressions"])
    (event,) = pq.read_table(tmp_path / "events.parquet").to_pylist()
    assert event == {"time_us": 1_000, "what": "set_creative_shares", "campaign": 2, "amount": 5.0}


def test_wrong_shares_get_a_sentence() -> None:
    world = World(listed(Ad(name="a", creatives=(Creative(name="x"), Creative(name="y"))), Ad(name="b")))
    share = world._exchange.state.rotation.share.copy()
    wrong: list[Any] = [
        [1.0],
        [0.5, 0.4],
        [-0.1, 1.1],
        [np.nan, 1.0],
        [[0.5, 0.5]],
        "even",
        None,
        [0.5, None],
        0.5,
        [np.inf, 0],
    ]
    for shares in wrong:
        with pytest.raises(MarketError, match=r"the shares of an ad with 2 creatives are as many numbers from 0 up"):
            world.set_creative_shares("c0", shares, "a")
    with pytest.raises(MarketError, match=r"no campaign 'c9'"):
        world.set_creative_shares("c9", [1.0])
    unknown: list[Any] = ["z", 3, -1, True, 0.0, None]
    for ad in unknown:
        with pytest.raises(MarketError, match=r"campaign 'c0' has no ad .*its ads are a, b"):
            world.set_creative_shares("c0", [0.5, 0.5], ad)
    np.testing.assert_array_equal(world._exchange.state.rotation.share, share)
    with pytest.raises(MarketError, match="set_creative_shares needs a market with creatives, and scenario 'tiny' has none"):
        World(Scenario.preset("tiny")).set_creative_shares(0, [1.0])
