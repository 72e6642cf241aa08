"""Creatives: what there are, which is shown, what users make of it, and what is written in their embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from markets import Tape, give_tape
from scipy import stats

from adarena.simulator import MarketError, Scenario, ScenarioError, World
from adarena.simulator.core.chance import Stream, stream_keys, uniforms
from adarena.simulator.engine.state import JOURNAL_INTS
from adarena.simulator.market import market
from adarena.simulator.population.campaigns import Campaigns, campaign_table
from adarena.simulator.population.creatives import Portfolio, new_portfolio
from adarena.simulator.population.embeddings import MODALITIES, MODALITIES_OF, embeddings, has_modality
from adarena.simulator.population.users import People, new_users
from adarena.simulator.scenario.creatives import FORMATS, Creative, DrawnCreatives, FormatShares
from adarena.simulator.scenario.demand import Ad
from adarena.simulator.scenario.people import day_shares

DAY_US = 86_400_000_000


def made(scenario: Scenario) -> Portfolio:
    """The creatives of a scenario's market."""
    held = market.build(scenario).creatives
    assert held is not None
    return held


def tiny(creatives: dict[str, Any], **changes: Any) -> Scenario:
    """A small market with creatives."""
    return Scenario.preset("tiny").override({"creatives": creatives, **changes})


def large(creatives: dict[str, Any]) -> tuple[Scenario, Campaigns, People, Portfolio]:
    """A market of 12,000 ads, and who is there; nothing is played in it."""
    scenario = tiny(creatives, **{"demand.campaigns": 3_000, "demand.ads_per_campaign": 4, "demand.verticals": 5})
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    table = campaign_table(scenario)
    assert scenario.creatives is not None
    return scenario, table, people, new_portfolio(scenario, scenario.creatives, table, people)


def listed(*ads: Ad, **changes: Any) -> Scenario:
    """A market of three campaigns without budgets that bid the same day in, day out; the first has these ads."""
    scenario = Scenario.preset("uniform", bidders=3, requests=20_000).override(
        {"rates": {"kind": "interests", "click_rate": 0.2}, "users": {"count": 50, "segments": 3, "dimensions": 4},
         "ticks_per_day": 4, "creatives": {}}
    )  # fmt: skip
    tree = scenario.override(changes).model_dump(mode="json")
    if ads:
        tree["demand"]["advertisers"][0]["campaigns"][0].update(
            value_per_conversion=3.0, ads=[ad.model_dump(mode="json") for ad in ads]
        )
    return Scenario.from_tree(tree)


def played(world: World) -> Tape:
    """All impressions of a world."""
    read = give_tape(world, 100_000)
    world.run()
    return read()


def test_counts_formats_and_freshness_have_their_shares() -> None:
    settings = {
        "per_ad": [2, 5],
        "formats": {"image": 5, "video": 3, "text": 0, "lead_form": 1, "carousel": 1},
        "fresh_share": 0.3,
    }
    *_, held = large(settings)
    count = np.diff(held.first)
    assert held.first[0] == 0
    np.testing.assert_array_equal(held.ad, np.repeat(np.arange(12_000), count))
    assert stats.chisquare(np.bincount(count, minlength=6)[2:]).pvalue > 1e-3
    by_format = dict(zip(FORMATS, np.bincount(held.format, minlength=len(FORMATS)), strict=True))
    assert by_format.pop("text") == 0
    assert stats.chisquare(list(by_format.values()), np.array([5, 3, 1, 1]) / 10 * len(held.ad)).pvalue > 1e-3
    assert abs(held.fresh.mean() - 0.3) < 4 * (0.21 / len(held.ad)) ** 0.5


def test_appeals_and_tastes_have_their_spread_and_leave_the_ad_where_it_is() -> None:
    scenario, _, people, held = large({"per_ad": [1, 4], "appeal_sigma": 0.5, "interaction_sigma": 0.3, "format_sigma": 0.0})
    count = np.diff(held.first)
    traffic = np.zeros(3)
    for tick, share in enumerate(day_shares(scenario.traffic.curve, scenario.ticks_per_day)):
        before = 0.0
        for segment, reached in enumerate(people.segment_share[tick]):
            traffic[segment] += share * (reached - before)
            before = reached
    np.testing.assert_allclose(held.interaction @ traffic, 0, atol=1e-6)
    for values in (held.appeal, *held.interaction.T):
        np.testing.assert_allclose(np.add.reduceat(values.astype(float), held.first[:-1]), 0, atol=1e-6)
    alone = count[held.ad] == 1
    assert not held.appeal[alone].any()
    assert not held.interaction[alone].any()
    # An ad of n creatives has n - 1 degrees of freedom.
    freedom = (count - 1).sum()
    variance = (held.appeal.astype(float) ** 2).sum() / freedom
    assert abs(variance / 0.25 - 1) < 4 * (2 / freedom) ** 0.5
    # Of a segment of traffic w centring leaves (1 - w)^2 + the squares of the others' traffic.
    left = (1 - traffic) ** 2 + (traffic**2).sum() - traffic**2
    by_segment = (held.interaction.astype(float) ** 2).sum(axis=0) / freedom
    np.testing.assert_allclose(by_segment / (0.09 * left), 1, atol=4 * (2 / freedom) ** 0.5)


def test_a_segment_likes_formats_alike_whatever_the_ad() -> None:
    *_, held = large({"per_ad": [2, 2], "interaction_sigma": 0.0, "format_sigma": 0.4})
    one, two = held.format[::2], held.format[1::2]
    assert not held.interaction[::2][one == two].any()
    for pair in {(a, b) for a, b in zip(one, two, strict=True) if a != b}:
        found = held.interaction[::2][(one == pair[0]) & (two == pair[1])]
        assert (found == found[0]).all()
        assert found[0].any()


def test_creatives_are_a_function_of_the_market_seed() -> None:
    scenario = tiny({})
    assert scenario.creatives is not None
    people = new_users(scenario.users, scenario.market_seed, scenario.ticks_per_day)
    again = new_portfolio(scenario, scenario.creatives, campaign_table(scenario), people)
    for one, two in zip(made(scenario), again, strict=True):
        np.testing.assert_array_equal(one, two)
    other = made(scenario.override({"market_seed": 2}))
    assert made(scenario).appeal[:4].tolist() != other.appeal[:4].tolist()


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


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
def test_a_regression_finds_appeal_in_embeddings_as_far_as_it_is_written_there(modality: str, correlation: float) -> None:
    scenario, table, _, held = large({"per_ad": [1, 3], "embedding_correlation": correlation, "embedding_dimensions": 12})
    found, there = embeddings(scenario, table, held, modality), has_modality(held, modality)
    assert found.dtype == np.float32
    assert found.shape == (len(held.ad), 12)
    np.testing.assert_array_equal(np.isnan(found), np.repeat(~there[:, None], 12, axis=1))
    np.testing.assert_array_equal(there, [modality in MODALITIES_OF[FORMATS[f]] for f in held.format])
    squares = (found[there].astype(float) ** 2).sum(axis=1)
    assert abs(squares.mean() - 1) < 4 * squares.std() / len(squares) ** 0.5
    explained = r_squared(found[there], held.appeal[there])
    assert abs(explained - correlation**2) < 4 * 2 * correlation * (1 - correlation**2) / len(squares) ** 0.5 + 2e-3
    # Those of a vertical lie around a centre that has half of their square length.
    vertical = table.vertical[table.ad_campaign][held.ad][there]
    centres = np.array([found[there][vertical == v].mean(axis=0) for v in range(5)])
    np.testing.assert_allclose((centres**2).sum(axis=1), 0.5, atol=0.05)


def r_squared(features: Any, target: Any) -> float:
    """Adjusted R^2 of a linear regression with an intercept."""
    design = np.column_stack([np.ones(len(target)), features]).astype(float)
    target = target.astype(float)
    rest = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    n, p = design.shape
    return float(1 - (rest @ rest / (n - p)) / target.var(ddof=1))


def test_modalities_tell_more_together_than_alone() -> None:
    scenario, table, _, held = large({"per_ad": [2, 2], "embedding_correlation": 0.6, "formats": {"image": 0.0}})
    films = np.flatnonzero(held.format == FORMATS.index("video"))
    parts = [embeddings(scenario, table, held, modality, films) for modality in MODALITIES]
    q = 0.36 / 0.64
    for m in (1, 2, 3):
        expected = m * q / (1 + m * q)
        assert abs(r_squared(np.column_stack(parts[:m]), held.appeal[films]) - expected) < 0.04


def test_an_embedding_is_the_same_whatever_is_asked_for_with_it() -> None:
    world = World(tiny({}))
    assert world.creatives is not None
    every = world.creatives.embeddings("image")
    some = world.creatives.embeddings("image", [5, 0, 5])
    np.testing.assert_array_equal(some, every[[5, 0, 5]])
    assert world.creatives.embeddings("image", []).shape == (0, 16)
    assert not np.array_equal(world.creatives.embeddings("text", [0]), world.creatives.embeddings("image", [0]))


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


def test_listed_creatives_are_as_written() -> None:
    film, still = Creative(name="film", format="video", appeal=0.8), Creative(name="still", format="text")
    scenario = listed(Ad(name="a", creatives=(film, still)), Ad(name="b"))
    world = World(scenario)
    assert world.creatives is not None
    frame = world.creatives.to_frame()
    assert frame["creative"][:3].tolist() == ["film", "still", "creative-0"]
    assert frame["ad"][:3].tolist() == ["a", "a", "b"]
    assert frame["format"][:2].tolist() == ["video", "text"]
    held = world.creatives.portfolio
    np.testing.assert_allclose(held.appeal[:2], [0.8, 0.0])  # not centred
    np.testing.assert_allclose(held.interaction[:2].sum(axis=0), 0, atol=1e-6)
    for start, end in zip(held.first[1:-1], held.first[2:], strict=True):
        np.testing.assert_allclose(held.appeal[start:end].sum(), 0, atol=1e-6)
    world.set_creative_shares("c0", [0.25, 0.75], ad="a")
    assert world.creatives.to_frame()["share"][:2].tolist() == [0.25, 0.75]


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
    world = World(listed(Ad(name="a", creatives=(Creative(name="x"), Creative(name="y"))), Ad(name="b"), Ad(name="b")))
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
        with pytest.raises(MarketError, match=r"campaign 'c0' has no ad .*its ads are a, b, b"):
            world.set_creative_shares("c0", [0.5, 0.5], ad)
    with pytest.raises(MarketError, match=r"2 ads of the name 'b': say which by its place"):
        world.set_creative_shares("c0", [0.5, 0.5], "b")
    np.testing.assert_array_equal(world._exchange.state.rotation.share, share)
    with pytest.raises(MarketError, match="set_creative_shares needs a market with creatives, and scenario 'tiny' has none"):
        World(Scenario.preset("tiny")).set_creative_shares(0, [1.0])


def test_wrong_questions_about_content_get_a_sentence() -> None:
    world = World(tiny({"per_ad": [2, 2]}))
    assert world.creatives is not None
    with pytest.raises(MarketError, match="no modality 'sound': known are text, image, video"):
        world.creatives.embeddings("sound")
    for number in (24, -1):
        with pytest.raises(MarketError, match=f"no creative {number}: they are numbered from 0 to 23"):
            world.creatives.embeddings("text", [0, number])
    for which in (3, [0.5], [[0]], [True], "all"):
        with pytest.raises(MarketError, match="a list of their numbers"):
            world.creatives.embeddings("text", which)
    scenario = Scenario.preset("tiny")
    with pytest.raises(MarketError, match="embeddings need a market with creatives, and scenario 'tiny' has none"):
        embeddings(scenario, world.campaigns, world.creatives.portfolio, "text")


def test_wrong_settings_get_a_sentence() -> None:
    with pytest.raises(ScenarioError, match="creatives need rates of kind interests, not uniform"):
        Scenario.preset("uniform").override({"creatives": {}})
    with pytest.raises(ScenarioError, match="per_ad must be a range from low to high, not 3 to 2"):
        DrawnCreatives(per_ad=(3, 2))
    with pytest.raises(ScenarioError, match=r"creatives.per_ad.0 cannot be 0"):
        tiny({"per_ad": [0, 2]})
    with pytest.raises(ScenarioError, match="one of the formats must have a share above 0"):
        FormatShares(image=0, video=0, text=0, lead_form=0, carousel=0)
    with pytest.raises(ScenarioError, match=r"no field 'vidio'.*video"):
        tiny({"formats": {"vidio": 1}})
    with pytest.raises(ScenarioError, match=r"no field 'fresh'.*fresh_share"):
        tiny({"fresh": 1})
    with pytest.raises(ScenarioError, match="names of an ad's creatives must differ, and 'x' stands twice"):
        Ad(name="a", creatives=(Creative(name="x"), Creative(name="x")))
    with pytest.raises(ScenarioError, match="format cannot be 'gif'"):
        Creative(name="x", format="gif")
    with pytest.raises(ScenarioError, match="campaign 'c0' lists creatives, which need a part creatives of the scenario"):
        listed(Ad(name="a", creatives=(Creative(name="x"),)), creatives=None)


def test_settings_survive_yaml(tmp_path: Path) -> None:
    pair = (Creative(name="film", format="video", appeal=0.5), Creative(name="still"))
    scenario = listed(Ad(name="a", creatives=pair), Ad(name="b"), **{"creatives.per_ad": [1, 3], "creatives.formats.text": 0.7})
    scenario.save(tmp_path / "market.yaml")
    loaded = Scenario.load(tmp_path / "market.yaml")
    assert loaded == scenario
    assert loaded.digest == scenario.digest
    assert hash(loaded) == hash(scenario)
    assert tiny({}).digest != Scenario.preset("tiny").digest
