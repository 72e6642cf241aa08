"""Surfaces and queries: slots, clicks and conversions as they say, bids that follow, recall by keywords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markets import CALM
from tapes import Tape, give_tape

from adarena.agents.bidding import Fixed
from adarena.simulator import MarketError, Scenario, ScenarioError, World
from adarena.simulator.core.arrays import CHUNK
from adarena.simulator.engine.state import Control
from adarena.simulator.market.market import build
from adarena.simulator.requests.queries import INTENTS
from adarena.simulator.requests.surfaces import Contexts, new_surfaces

SEARCH = {"concepts": 200, "queries": 800, "head_queries": 100, "keywords": 8, "belief_noise": 0.3}
SURFACES = [
    {"name": "feed", "share": 2, "exposure": [0.9], "conversion": 0.5},
    {"name": "results", "share": 1, "asks": True, "exposure": [1.0, 0.6], "click": 0.5},
    {"name": "forms", "share": 1, "exposure": [0.5, 0.2], "click": -0.4, "conversion": 1.5},
]
CHANGES: dict[str, Any] = {
    "search": SEARCH, "surfaces": SURFACES, "demand.conversion_rate": 0.1, "traffic.requests_per_day": 20_000,
    "rates.click_rate": 0.02,
}  # fmt: skip


def market(**changes: Any) -> Scenario:
    """`tiny` with three surfaces, on one of which requests ask."""
    return Scenario.preset("tiny").override({**CHANGES, **{k.replace("__", "."): v for k, v in changes.items()}})


def rate_a_block(world: World) -> None:
    """Has the candidates of all requests of the first block found."""
    control = world._exchange.state.control
    while control[Control.SCORED] < CHUNK:
        control[Control.NEXT] = control[Control.SCORED]
        world._exchange.score()


def played(scenario: Scenario, seed: int = 3, **settings: Any) -> tuple[World, Tape]:
    """A world that has run to its end, and what it showed."""
    world = World(scenario, {"bidding": Fixed()}, seed=seed, **settings)
    read = give_tape(world, 80_000)
    world.run()
    return world, read()


def conversion(world: World, tape: Tape) -> Any:
    """True conversions per click of what was shown: the campaign's at that hour, by surface and intent."""
    surface, query = (of[tape.column("request")] for of in asks(world, planned(world)))
    language, k = world._exchange.market.language, tape.column("campaign")
    assert language is not None
    factor = np.array([0.5, 1.0, 1.5])[surface] * np.where(query >= 0, language.queries.conversion[query], 1.0)
    phase = (tape.column("time_us") // world.scenario.tick_us + 0.5) / world.scenario.ticks_per_day
    wave = np.cos(2 * np.pi * (phase - world.campaigns.conversion_peak[k]))
    return world.campaigns.conversion_rate[k] * np.exp(world.scenario.response.hour_amplitude * wave) * factor


def weather(world: World, tape: Tape) -> Any:
    """What a conversion was worth at that hour, as a multiple of what it usually is."""
    return world._exchange.weather[tape.column("time_us") // world.scenario.tick_us, tape.column("campaign")]


def planned(world: World) -> int:
    """Requests so far, those of users who had left among them."""
    return int(world._exchange.state.control[Control.NEXT])


def asks(world: World, count: int) -> tuple[Any, Any]:
    """Surfaces and queries of the first requests."""
    state = world._exchange.state
    dimensions = world._exchange.market.users.interests.shape[1]
    contexts = Contexts(state.surfaces, world._exchange.market.language, dimensions, state.keys)
    surface, query = np.zeros((2, count), np.int64)
    contexts.draw(0, surface, query)
    return surface, query


def test_one_surface_like_the_auctions_changes_nothing() -> None:
    plain = Scenario.preset("tiny")
    same = plain.override({"surfaces": [{"name": "all", "share": 1.0, "exposure": plain.auction.marginal}]})
    one, other = (World(s, {"bidding": Fixed()}, seed=1) for s in (plain, same))
    for world in (one, other):
        world.run()
    np.testing.assert_array_equal(one.ledger.counts, other.ledger.counts)
    np.testing.assert_array_equal(one.ledger.sums, other.ledger.sums)
    assert plain.digest != same.digest


def test_each_surface_has_its_share_its_slots_and_its_exposure() -> None:
    world, tape = played(market(), seed=1)
    surface, query = asks(world, planned(world))
    counts = np.bincount(surface)
    assert np.abs(counts / counts.sum() - [0.5, 0.25, 0.25]).max() < 4 * (0.25 / counts.sum()) ** 0.5
    assert ((query >= 0) == (surface == 1)).all()
    shown = surface[tape.column("request")]
    for place, exposure in enumerate([(0.9,), (1.0, 0.6), (0.5, 0.2)]):
        for slot, seen in enumerate((*exposure, 0.0, 0.0)[:2]):
            found = ((shown == place) & (tape.column("slot") == slot)).sum() / counts[place]
            assert found <= seen + 4 * (seen * (1 - seen) / counts[place]) ** 0.5 + 1e-12
            # Somebody can nearly always pay the reserve.
            assert found >= 0.97 * seen - 4 * (seen * (1 - seen) / counts[place]) ** 0.5


def test_clicks_and_conversions_follow_user_query_surface_and_intent() -> None:
    world, tape = played(market())
    built = world._exchange.market
    assert built.ads is not None
    assert built.language is not None
    surface, query = asks(world, planned(world))
    request, ad, user = (tape.column(name) for name in ("request", "ad", "user"))
    where, what = surface[request], query[request]
    queries, asked = built.language.queries, (what >= 0)[:, None]
    meaning = np.where(asked, queries.vectors[what], 0).astype(float) + built.users.interests[user]
    odds = built.ads.bias[ad] + np.einsum("nd,nd->n", built.ads.vectors[ad].astype(float), meaning)
    odds += np.array([0.0, 0.5, -0.4])[where] + np.where(what >= 0, queries.click[what], 0)
    np.testing.assert_allclose(tape.true, 1 / (1 + np.exp(-odds)), rtol=1e-6)
    believed = np.where(asked, queries.believed_vectors[what], 0).astype(float) + built.users.interests[user]
    odds = built.ads.believed_bias[ad] + np.einsum("nd,nd->n", built.ads.believed_vectors[ad].astype(float), believed)
    odds += np.array([0.0, 0.5, -0.4])[where] + np.where(what >= 0, queries.click[what], 0)
    np.testing.assert_allclose(tape.believed, 1 / (1 + np.exp(-odds)), rtol=1e-3)
    # The value of an impression: true click rate, the campaign's conversion rate at that hour, surface and intent.
    expected = tape.true * conversion(world, tape)
    worth = expected * weather(world, tape) * world.campaigns.value[tape.column("campaign")]
    np.testing.assert_allclose(world.ledger.value().sum(), worth.sum(), rtol=1e-6)
    conversions, expected = tape.column("converted").sum(), expected.sum()
    assert abs(conversions - expected) < 4 * expected**0.5


def test_bids_and_prices_follow_what_a_click_is_worth_on_a_request() -> None:
    """A bid is believed clicks x conversions x target of that request; per click and per conversion alike are never over it."""
    for billing in ("cpm", "cpc", "cpa"):
        world, tape = played(market(demand__billing=billing, demand__budget_share=None, auction__pricing="first"))
        target = world.campaigns.target[tape.column("campaign")] * weather(world, tape)
        bid = tape.believed * conversion(world, tape) * target * 1e6
        np.testing.assert_allclose(tape.column("bid"), bid, rtol=1e-4, atol=2)
        if billing == "cpa":  # a conversion costs what was bid for one, when it is reported or when the market ends
            owed = target[tape.column("converted") > 0].sum()
            assert world.ledger.spend().sum() == pytest.approx(owed, rel=1e-3)


def test_an_expected_day_knows_of_surfaces_and_queries() -> None:
    scenario = Scenario.preset("bidding-small").override({**CALM, **CHANGES, "demand.budget_share": None})
    scenario = scenario.override({"traffic.requests_per_day": 50_000, "auction.slots": 2, "demand.conversion_rate": 0.05})
    expected = build(scenario).expected
    world = World(scenario, {"bidding": Fixed()}, seed=5)
    world.run()
    assert world.ledger.spend().sum() == pytest.approx(expected.spend.sum(), rel=0.05)
    assert world.ledger.impressions().sum() == pytest.approx(expected.impressions.sum(), rel=0.02)


def test_answers_are_late_by_the_deadline_of_their_surface() -> None:
    serving = {"servers": 2, "service_s": 4.0, "network_s": 1.0, "deadline_s": 30.0}
    surfaces = [{**SURFACES[0], "deadline_s": 2.0}, *SURFACES[1:]]
    world, tape = played(market(serving=serving, surfaces=surfaces))
    slow, fast = asks(world, planned(world))[0], 0
    shown = np.unique(tape.column("request"))
    shares = [np.isin(np.flatnonzero(slow == place), shown).mean() for place in range(3)]
    assert shares[fast] < 0.5 * shares[1]
    assert world.serving is not None
    assert world.serving.to_frame()["late"].sum() > 0


def test_cached_ads_are_believed_to_be_clicked_as_the_surface_says() -> None:
    """The same ad for the same segment: log-odds differ by those of the surfaces."""
    own = [{"tier": 0, "levels": [{"recall": 0, "rough": 0, "fine": 3}]}]
    surfaces = [SURFACES[0], {**SURFACES[2], "conversion": 0.5}]
    world = World(market(search=None, surfaces=surfaces, funnel={"tiers": own}), {"bidding": Fixed()}, seed=2)
    world._exchange.open_tick(0, 0)
    world._exchange.refresh()
    world._exchange.blocks.reindex()
    rate_a_block(world)
    state = world._exchange.state
    rate = state.bids.rate[:, :1024].astype(float)
    odds = np.log(rate / (1 - rate))
    home = world._exchange.market.users.segment[state.block.users[:1024]]
    for segment in np.unique(home):
        column = {place: np.flatnonzero((home == segment) & (state.block.surface[:1024] == place))[0] for place in (0, 1)}
        np.testing.assert_array_equal(state.bids.ad[:, column[0]], state.bids.ad[:, column[1]])
        np.testing.assert_allclose(odds[:, column[1]] - odds[:, column[0]], -0.4, rtol=1e-4)


@pytest.mark.parametrize("billing", ["cpm", "cpc", "cpa"])
@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_each_surface_has_books_of_its_own(billing: str, engine: Any) -> None:
    """Against a count of the tape; with servers, so that some answers are late and some requests left."""
    serving = {"servers": 2, "service_s": 9.0, "network_s": 1.0, "deadline_s": 20.0}
    surfaces = [{**SURFACES[0], "deadline_s": 9.0}, *SURFACES[1:]]
    scenario = market(serving=serving, surfaces=surfaces, demand__billing=billing, demand__budget_share=None)
    scenario = scenario.override({"traffic.requests_per_day": 15_000, "sessions": {"mean_requests": 3.0, "leave_rate": 0.1}})
    world, tape = played(scenario, engine=engine)
    assert world.surfaces is not None
    assert world.serving is not None
    frame, servers = world.surfaces.to_frame(), world.serving.to_frame()
    assert frame.index.tolist() == ["feed", "results", "forms"]
    for name in ("requests", "served", "late", "left"):
        assert frame[name].sum() == servers[name].sum() > 0, name
    under_way = frame["requests"] - frame["served"] - frame["late"] - frame["left"]
    assert under_way.sum() == servers["under_way"].iloc[-1]
    assert (under_way >= 0).all()
    assert (
        frame.loc["feed", "late"] / frame.loc["feed", "requests"]
        > frame.loc["results", "late"] / frame.loc["results", "requests"]
    )
    surface = asks(world, planned(world))[0]
    where = surface[tape.column("request")]
    shown = np.bincount(where, minlength=3)
    np.testing.assert_array_equal(frame["impressions"], shown)
    for name in ("clicked", "converted"):
        column = "clicks" if name == "clicked" else "conversions"
        np.testing.assert_array_equal(frame[column], np.bincount(where, tape.column(name), minlength=3))
    charged = frame["spend"].sum()
    if billing == "cpm":
        np.testing.assert_allclose(frame["spend"], np.bincount(where, tape.column("price"), minlength=3) / 1e6)
    if billing == "cpa":
        assert charged == 0
        assert frame["owed"].sum() == pytest.approx(world.ledger.spend().sum())  # all of it is due when the market ends
        assert world.ledger.spend().sum() > 0
    else:
        assert frame["owed"].sum() == 0
        assert charged == pytest.approx(world.ledger.spend().sum())


def test_without_surfaces_there_are_no_such_books() -> None:
    assert World(Scenario.preset("tiny")).surfaces is None
    everywhere = market(surfaces=None)
    world, tape = played(everywhere)
    assert world.surfaces is not None
    frame = world.surfaces.to_frame()
    assert frame.index.tolist() == ["all"]
    assert frame.loc["all", ["requests", "served", "impressions"]].tolist() == [world.played, world.played, len(tape.true)]


def test_keywords_bring_the_ads_that_were_bought_for_the_query() -> None:
    quotas = {"recall": 6, "rough": 6, "fine": 6}
    base = market(demand__campaigns=60, demand__ads_per_campaign=2, funnel={"levels": [quotas], "exploring_share": 0.0})
    shares = {"popular_share": 0.0, "keyword_share": 1.0}
    scenario = base.override({f"funnel.{name}": share for name, share in shares.items()})
    world = World(scenario, {"bidding": Fixed()}, seed=2)
    world.run(0)  # the first tick is open, and all have decided
    rate_a_block(world)
    state, language = world._exchange.state, world._exchange.market.language
    assert language is not None
    table, most = world.campaigns, 0
    for j in range(1024):
        shown = set(state.bids.ad[state.bids.rate[:, j] > 0, j].tolist())
        query = int(state.block.query[j])
        if query < 0:
            assert not shown
            continue
        low, high = language.matches.first[query : query + 2]
        matching = set(language.matches.ad[low:high].tolist())
        assert shown <= matching
        if len(matching) <= 6:  # one ad of each campaign comes to the auction
            assert {int(table.ad_campaign[a]) for a in shown} == {int(table.ad_campaign[a]) for a in matching}
        most = max(most, len(matching))
    assert most > 6


def test_the_journal_can_be_read_with_words(tmp_path: Path) -> None:
    world, _ = played(market())
    language = world._exchange.market.language
    assert language is not None
    texts = [language.query_text(q) for q in range(50)]
    assert len(set(texts)) == 50
    assert set(language.queries.intent.tolist()) == set(range(len(INTENTS)))


def test_wrong_surfaces_are_one_sentence() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"surfaces": [SURFACES[0]]}, "surfaces where requests ask need the part search, and search such a surface"),
        ({"surfaces": [SURFACES[1], SURFACES[1]]}, "names of surfaces must differ, and 'results' stands twice"),
        ({"surfaces": [{**SURFACES[1], "exposure": [1, 0.5, 0.2]}]}, "has 3 slots, more than the 2 of auction.slots"),
        ({"surfaces": [{**SURFACES[1], "exposure": [0.5, 0.7]}]}, "exposure must not rise"),
        ({"surfaces": [{**SURFACES[1], "deadline_s": 1}]}, "'results' needs a deadline_s within serving.deadline_s"),
        ({"rates": {"kind": "uniform"}}, "search and surfaces need rates of kind interests, not uniform"),
        ({"search": None}, "need the part search"),
        ({"search": None, "surfaces": None, "funnel": {"keyword_share": 0.1}}, "keyword_share needs the part search"),
        ({"surfaces": []}, "surfaces"),
        ({"auction.exposure_draws": "repeated"}, "exposure_draws is 'cascade' where surfaces"),
    ]
    for changes, sentence in wrong:
        with pytest.raises(ScenarioError, match=sentence):
            market().override(changes)
    with pytest.raises(ScenarioError, match=r"conversions per click of campaign 'c.' come to"):
        build(market(demand__conversion_rate=0.9))
    with pytest.raises(MarketError, match="where surfaces and queries differ"):
        World(market(), record=0)


def test_only_surfaces_where_requests_ask_meet_intents() -> None:
    """Conversions per click are checked against what surface and intent make of them together, wherever they meet."""
    scenario = market(response__hour_amplitude=0.0, demand__conversion_sigma=0.0)
    language = build(scenario).language
    assert language is not None
    by_query = float(language.queries.conversion.max())
    greatest = max(1.5, by_query)  # forms, where nobody asks; results
    assert by_query > 1.2
    for rate in (0.99 / greatest, 1.01 / greatest):
        tight = scenario.override({"demand.conversion_rate": rate})
        if rate * greatest > 1:
            with pytest.raises(ScenarioError, match=r"come to 1\.01 where surface, intent and tier"):
                build(tight)
        else:
            np.testing.assert_allclose(build(tight).conversion, 0.99)


def test_without_surfaces_all_requests_ask() -> None:
    built = build(market(surfaces=None))
    surfaces = new_surfaces(market(surfaces=None), built.language)
    assert surfaces.asks.tolist() == [True]
    assert surfaces.slots.tolist() == [2]
