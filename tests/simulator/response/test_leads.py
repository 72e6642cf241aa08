"""Lead campaigns, late conversions and organic ones: against a slow copy of the rules, kept by hand from a log."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tapes import Tape, give_tape

from adarena.simulator import BidPolicy, BidView, InvariantError, Multiplier, Scenario, ScenarioError, World
from adarena.simulator.core.chance import Stream, uniforms
from adarena.simulator.core.histogram import OCTAVE
from adarena.simulator.engine.state import Count
from adarena.simulator.market.market import build
from adarena.simulator.response.leads import BINS, LEADS_TOLD, LeadCount, Step
from adarena.simulator.scenario.response import DelayPart, DrawnLeads, Lead, Response

LEAD: dict[str, Any] = {"form_open_rate": 0.7, "qualified_rate": 0.5, "sale_rate": 0.4}
TWO_PARTS = (DelayPart(weight=1.0, shape=0.7, scale_s=4000.0), DelayPart(weight=3.0, shape=1.3, scale_s=50_000.0))


def market(**changes: Any) -> Scenario:
    """Three days of `tiny` with lead campaigns, no weather and no budgets; names with two underscores for a dot."""
    plain: dict[str, Any] = {
        "days": 3, "traffic.requests_per_day": 6_000, "demand.budget_share": None, "demand.lead": LEAD,
        "rates.click_rate": 0.2, "response.hour_amplitude": 0.1,
    }  # fmt: skip
    return Scenario.preset("tiny").override(plain | {name.replace("__", "."): value for name, value in changes.items()})


def run(scenario: Scenario, seed: int = 1) -> tuple[World, Tape]:
    """A finished world, and what it wrote of each impression."""
    world = World(scenario, seed=seed)
    read = give_tape(world, 100_000)
    world.run()
    return world, read()


def draws(world: World, stream: Stream, tape: Tape) -> np.ndarray:
    """The draw of each impression's request and ad in a stream, one by one."""
    out, one = np.empty(len(tape.ints)), np.empty(1)
    for row, (request, ad) in enumerate(zip(tape.column("request").tolist(), tape.column("ad").tolist(), strict=True)):
        uniforms(world._exchange.state.keys[stream], request, 1, ad, one)
        out[row] = one[0]
    return out


def delay(parts: tuple[DelayPart, ...], window_days: float, u: float) -> int:
    """The quantile of a mixture of truncated Weibulls, by choosing the part and inverting its distribution function."""
    total, before = sum(p.weight for p in parts), 0.0
    for place, part in enumerate(parts):
        share = part.weight / total
        if u < before + share or place == len(parts) - 1:
            inside = 1 - math.exp(-((window_days * 86_400 / part.scale_s) ** part.shape))
            return int(1e6 * part.scale_s * (-math.log1p(-(u - before) / share * inside)) ** (1 / part.shape))
        before += share
    raise AssertionError("a mixture has a part")


@pytest.mark.parametrize("attribution", [None, 0.02])
def test_the_books_are_those_of_a_slow_copy(attribution: float | None) -> None:
    lead = {**LEAD, "submit_delay": [p.model_dump() for p in TWO_PARTS], "qualified_delay": [p.model_dump() for p in TWO_PARTS]}
    scenario = market(demand__lead=lead, response__attribution_days=attribution, response__window_days=1.5)
    world, tape = run(scenario)
    ticks, held = scenario.days * scenario.ticks_per_day, len(world.campaigns.names)
    time, k = tape.column("time_us"), tape.column("campaign")
    tick = time // scenario.tick_us
    clicked, converted = tape.column("clicked") > 0, tape.column("converted") > 0
    conversion = world._exchange.market.conversion[tick % scenario.ticks_per_day, k]
    opened = clicked & (converted | (draws(world, Stream.FORM, tape) < (0.7 - conversion) / (1 - conversion)))
    qualified = converted & (draws(world, Stream.QUALIFIED, tape) < 0.5)
    sold = qualified & (draws(world, Stream.SALE, tape) < 0.4)
    submit = np.array([delay(TWO_PARTS, 1.5, u) for u in draws(world, Stream.DELAY, tape)])
    told = np.array([delay(TWO_PARTS, 1.5, u) for u in draws(world, Stream.QUALIFIED_DELAY, tape)])
    attributed = converted & (submit <= (attribution or np.inf) * 86_400e6)
    np.testing.assert_array_equal(tape.column("report_us"), np.where(attributed, time + submit, -1))
    assert world.ledger.leads is not None
    books = world.ledger.leads.counts

    def table(which: np.ndarray, at: np.ndarray) -> np.ndarray:
        out = np.zeros((ticks, held), np.int64)
        inside = which & (at < ticks)
        np.add.at(out, (at[inside], k[inside]), 1)
        return out

    np.testing.assert_array_equal(books[:, LeadCount.FORM_OPENS], table(opened, tick))
    np.testing.assert_array_equal(books[:, LeadCount.QUALIFIED], table(qualified, tick))
    np.testing.assert_array_equal(books[:, LeadCount.SALES], table(sold, tick))
    known = (time + submit + told) // scenario.tick_us
    np.testing.assert_array_equal(books[:, LeadCount.QUALIFIED_REPORTED], table(qualified & attributed, known))
    np.testing.assert_array_equal(
        world.ledger.counts[:, Count.REPORTED], table(attributed, (time + submit) // scenario.tick_us)
    )
    np.testing.assert_array_equal(tape.column("form_opened"), opened)
    np.testing.assert_array_equal(tape.column("qualified_us"), np.where(qualified & attributed, time + submit + told, -1))
    elapsed = world.ledger.leads.elapsed.sum(axis=1)
    assert elapsed.tolist() == [attributed.sum(), (qualified & attributed).sum(), (sold & attributed).sum()]
    assert sold.sum() > 100
    assert opened.sum() > 500 + converted.sum()
    assert (attribution is None) == bool((attributed == converted).all())
    weeks = np.array([delay(Lead(**LEAD).sale_delay, 1.5, u) for u in draws(world, Stream.SALE_DELAY, tape)])
    np.testing.assert_array_equal(tape.column("sold_us"), np.where(sold & attributed, time + submit + told + weeks, -1))
    known = np.log2((submit + told + weeks)[sold & attributed]) * OCTAVE
    np.testing.assert_array_equal(world.ledger.leads.elapsed[Step.SELL], np.bincount(known.astype(int), minlength=BINS))
    median = world.ledger.leads.quantile_s(Step.SUBMIT, 0.5)
    assert median == pytest.approx(np.median(submit[attributed]) / 1e6, rel=0.03)


def test_a_lead_costs_and_is_worth_what_a_conversion_does() -> None:
    """With the delay of other conversions for its submit the same market without leads has the same books of money."""
    delay_of_all = [p.model_dump() for p in TWO_PARTS]
    for billing in ("cpc", "cpa"):
        settings = {"demand__billing": billing, "response__delay": delay_of_all, "demand__budget_share": 0.3}
        with_leads, _ = run(market(demand__lead={**LEAD, "submit_delay": delay_of_all}, **settings))
        without, _ = run(market(demand__lead=None, **settings))
        assert without.ledger.leads is None
        for name in ("counts", "sums", "left", "multiplier", "market_price"):
            np.testing.assert_array_equal(getattr(with_leads.ledger, name), getattr(without.ledger, name))
        assert set(with_leads.ledger.to_frame()) - set(without.ledger.to_frame()) == {
            "form_opens", "qualified", "sales", "qualified_reported"
        }  # fmt: skip


def test_in_time_all_qualified_leads_are_reported() -> None:
    """Traffic of one day, then three weeks without any: submits and word of their quality take 5 days each at most."""
    scenario = market(days=21, response__window_days=5.0)
    world = World(scenario, seed=2)
    world.run(scenario.day_us)
    before = world.ledger.to_frame()[["conversions", "conversions_reported", "qualified", "qualified_reported"]].sum()
    assert before["qualified_reported"] < 0.8 * before["qualified"]
    world.surge(0.0)
    world.run(11 * scenario.day_us + scenario.tick_us)
    after = world.ledger.to_frame()[["conversions", "conversions_reported", "qualified", "qualified_reported"]].sum()
    assert after["conversions"] == before["conversions"] == after["conversions_reported"]
    assert after["qualified"] == before["qualified"] == after["qualified_reported"] > 100


def test_late_conversions_happen_but_are_neither_reported_nor_billed() -> None:
    settings = {"demand__lead": None, "demand__billing": "cpa"}
    every, tape = run(market(**settings))
    some, again = run(market(**settings, response__attribution_days=0.01))
    for name in ("request", "campaign", "clicked", "converted"):  # without budgets nobody bids otherwise
        np.testing.assert_array_equal(tape.column(name), again.column(name))
    took = tape.column("report_us") - tape.column("time_us")
    kept = (tape.column("converted") > 0) & (took <= 864e6)
    np.testing.assert_array_equal(again.column("report_us"), np.where(kept, tape.column("report_us"), -1))
    hours = [
        delay(every.scenario.response.delay, every.scenario.response.window_days, u) for u in (np.arange(40_000) + 0.5) / 40_000
    ]
    share = float((np.array(hours) <= 864e6).mean())  # value is of what is attributed, as targets and bills are
    np.testing.assert_allclose(some.ledger.value(), share * every.ledger.value(), rtol=2e-3)
    assert some.ledger.attributed().sum() == kept.sum()
    assert every.ledger.conversions().tobytes() == some.ledger.conversions().tobytes()
    due = tape.column("report_us") < every.scenario.horizon_us
    assert (
        some.ledger.counts[:, Count.REPORTED].sum() == (kept & due).sum() < 0.7 * ((tape.column("converted") > 0) & due).sum()
    )
    assert 0 < some.ledger.spend().sum() < 0.7 * every.ledger.spend().sum()


def test_what_is_believed_is_what_will_be_attributed() -> None:
    """Conversions that come too late are none that the platform knows of; campaigns that pay for them bid that much less."""
    hours = 12.0
    mixture = [{"weight": 2.0, "scale_s": 3_600.0}, {"weight": 1.0, "shape": 0.6, "scale_s": 90_000.0}]
    settings = {"demand__lead": None, "response__delay": mixture, "response__window_days": 20.0}
    every, some = (build(market(**settings, response__attribution_days=days)) for days in (None, hours / 24))
    share = some.believed_conversion / every.believed_conversion
    parts = market(**settings).response.delay
    taken = np.array([delay(parts, 20.0, u) for u in (np.arange(40_000) + 0.5) / 40_000]) / 3.6e9
    np.testing.assert_allclose(share, (taken <= hours).mean(), atol=1e-4)
    np.testing.assert_array_equal(some.conversion, every.conversion)
    slow = {**LEAD, "submit_delay": mixture}
    with_leads = build(market(demand__lead=slow, response__window_days=20.0, response__attribution_days=hours / 24))
    np.testing.assert_allclose(with_leads.believed_conversion / with_leads.conversion, share, rtol=1e-9)


class Watcher(BidPolicy):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[BidView] = []

    def decide(self, view: BidView) -> Multiplier:
        self.seen.append(view)
        return Multiplier(1.0)


def test_a_campaign_is_told_of_form_opens_and_of_qualified_leads_once_reported() -> None:
    scenario, watcher = market(), Watcher()
    world = World(scenario, {"bidding": {2: watcher, 4: watcher}}, seed=0)
    world.run()
    assert world.ledger.leads is not None
    books, per_day = world.ledger.leads.counts[:, :LEADS_TOLD, [2, 4]], scenario.ticks_per_day
    for tick, view in enumerate(watcher.seen):
        assert view.last_leads is not None
        assert view.today_leads is not None
        last = books[tick - 1] if tick else np.zeros_like(books[0])
        np.testing.assert_array_equal(np.array(view.last_leads), last)
        np.testing.assert_array_equal(np.array(view.today_leads), books[tick // per_day * per_day : tick].sum(axis=0))
    plain = Watcher()
    World(market(demand__lead=None, days=1), {"bidding": plain}).run()
    assert all(view.last_leads is None and view.today_leads is None for view in plain.seen)


def test_drawn_leads_share_the_rates_of_their_vertical() -> None:
    even, spread = (World(market(demand__lead={**LEAD, "vertical_sigma": sigma})).campaigns for sigma in (0.0, 0.5))
    plain = World(market(demand__lead=None)).campaigns
    for table in (even, spread):
        np.testing.assert_array_equal(table.conversion_rate, plain.conversion_rate)
        np.testing.assert_array_equal(table.target, plain.target)
    assert [c.lead for c in even.listed] == [Lead(**LEAD)] * 6
    first, second, third = (spread.listed[k].lead for k in range(3))
    assert first == third != second  # two verticals
    assert type(first) is Lead
    many = market(
        demand__campaigns=2_000, demand__verticals=2_000, demand__conversion_sigma=0.0, demand__conversion_rate=0.01,
        demand__ads_per_campaign=1, demand__lead={**LEAD, "vertical_sigma": 0.5}, traffic__requests_per_day=10,
    )  # fmt: skip
    rates = np.array([[c.lead.form_open_rate, c.lead.sale_rate] for c in World(many).campaigns.listed if c.lead])
    odds = np.log(rates / (1 - rates))
    np.testing.assert_allclose(odds.mean(axis=0), [math.log(0.7 / 0.3), math.log(0.4 / 0.6)], atol=4 * 0.5 / 2_000**0.5)
    np.testing.assert_allclose(odds.std(axis=0), 0.5, rtol=4 / 4_000**0.5)
    assert abs(np.corrcoef(odds.T)[0, 1]) < 4 / 2_000**0.5


def test_forms_cannot_be_submitted_more_often_than_opened_at_any_hour() -> None:
    settings = {"demand__conversion_sigma": 0.0, "demand__conversion_rate": 0.3, "response__hour_amplitude": 0.5}
    most = 0.3 * math.exp(0.5)
    World(market(**settings, demand__lead={**LEAD, "form_open_rate": most}))
    with pytest.raises(ScenarioError, match=r"'c0' opens 0\.48 forms a click \(lead\.form_open_rate\), and cannot have 0\.49"):
        World(market(**settings, demand__lead={**LEAD, "form_open_rate": 0.48}))
    with pytest.raises(ScenarioError, match="opens 1 forms a click"):
        World(market(**{**settings, "demand__conversion_rate": 0.9}, demand__lead={**LEAD, "form_open_rate": 1.0}))


def test_wrong_settings_get_a_sentence() -> None:
    with pytest.raises(ScenarioError, match=r"attribution_days must lie below window_days, 30, .* not at 30"):
        Response(attribution_days=30.0)
    with pytest.raises(ScenarioError, match="qualified_rate cannot be 0:"):
        DrawnLeads(form_open_rate=0.5, qualified_rate=0, sale_rate=0.1)
    with pytest.raises(ScenarioError, match=r"no field 'sales_rate'.*sale_rate"):
        market(demand__lead={**LEAD, "sales_rate": 0.1})
    with pytest.raises(ScenarioError, match=r"response\.organic\.slope needs rates of kind interests, not uniform"):
        Scenario.preset("uniform").override({"response.organic": {"rate": 0.1, "slope": 1.0}})
    with pytest.raises(ScenarioError, match="rate is missing"):
        market(response__organic={})


def test_settings_that_are_not_used_do_not_count() -> None:
    """The digest of a market without leads is what it was before there were any."""
    tree = Scenario.preset("tiny").model_dump(mode="json", exclude_none=True)
    assert "lead" not in tree["demand"]
    assert not {"attribution_days", "organic"} & set(tree["response"])
    assert market().digest != market(demand__lead=None).digest


@pytest.mark.parametrize(
    ("place", "amount", "words"),
    [
        ((LeadCount.SALES, 0), 10_000, "taken more often"),
        ((LeadCount.QUALIFIED, 1), 10_000, "taken more often"),
        ((LeadCount.FORM_OPENS, 2), -10_000, "taken more often"),
        ((LeadCount.FORM_OPENS, 2), 100_000, "taken more often"),
        (None, 10_000, "reported than took place"),
    ],
)
def test_the_ledger_notices_a_chain_that_does_not_add_up(place: Any, amount: int, words: str) -> None:
    world = World(market(), seed=0)
    world.run(world.scenario.tick_us // 2)
    chain = world._exchange.state.chain
    if place is None:
        chain.reports[0] += amount
    else:
        chain.counts[place] += amount
    with pytest.raises(InvariantError, match=words):
        world.run()


def test_a_plain_market_keeps_no_books_of_leads() -> None:
    world = World(Scenario.preset("tiny"))
    assert world.ledger.leads is None
    assert world.ledger.increments is None
    for part in (world._exchange.state.chain, world._exchange.state.baseline):
        assert all(a.size == 0 for a in part if isinstance(a, np.ndarray))
