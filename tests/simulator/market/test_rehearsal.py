"""Auctions of an even day that are run again: against an auction by hand, against budgets, and against being written to."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from by_hand import sold
from funnel_markets import market as funnel_market

from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.core.arrays import LANES
from adarena.simulator.market.market import build
from adarena.simulator.market.rehearsal import Rehearsal, SaleRules, rehearsal
from adarena.simulator.market.sample import SAMPLE

TINY = Scenario.preset("tiny")
PACING = Scenario.preset("pacing-small")


def by_hand(what: Rehearsal, bid: Any, rules: SaleRules, pricing: str) -> np.ndarray:
    """Impressions, spend, conversions and clicks a request of each campaign, request by request."""
    totals = np.zeros((4, what.campaigns))
    for n in range(what.rate.shape[1]):
        rate, click = (x[:, n].astype(np.float64) for x in (what.rate, what.click))
        who = what.who[:, n] if what.who.size else np.arange(what.campaigns)
        with np.errstate(divide="ignore"):  # a candidate's place may be empty
            weight = np.where(click > 0, click ** (rules.squashing - 1), 0.0) * rules.quality[who]
        bids = rate * np.asarray(bid)[who]
        for slot, (row, price) in enumerate(sold(bids, weight, rules.reserve[who], pricing, what.exposure)):
            totals[:, who[row]] += what.exposure[slot] * np.array([1, price, rate[row], click[row]])
    return totals / what.rate.shape[1]


def rules_of(scenario: Scenario, kind: str) -> SaleRules | None:
    """The scenario's own, as None, or others."""
    count = len(build(scenario).campaigns.names)
    dice = np.random.default_rng(3)
    reserves, quality = dice.choice([1e-6, 0.1, 0.4], count), dice.choice([0.5, 1.0, 2.0], count)
    return {
        "usual": None,
        "reserves": SaleRules(reserves, scenario.auction.squashing, np.ones(count)),
        "all": SaleRules(reserves, 0.4, quality),
    }[kind]


@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
@pytest.mark.parametrize("kind", ["usual", "reserves", "all"])
@pytest.mark.parametrize("market", ["tiny", "squashed", "funnel", "one slot"])
def test_truthful_bids_bring_what_they_bring_by_hand(market: str, kind: str, pricing: str) -> None:
    """Over 160 requests, and then again with other bids: nothing is left of what was asked before."""
    scenario = {
        "tiny": TINY, "squashed": TINY.override({"auction.squashing": 0.6, "auction.reserve": 0.1}), "funnel": funnel_market(),
        "one slot": TINY.override({"auction.slots": 1, "auction.exposure": [0.9]}),
    }[market].override({"auction.pricing": pricing})  # fmt: skip
    what, rules = rehearsal(scenario).from_tick(5, 160), rules_of(scenario, kind)
    auction, target = scenario.auction, build(scenario).campaigns.target
    usual = SaleRules(np.full(what.campaigns, auction.reserve), auction.squashing, np.ones(what.campaigns))
    first = None
    for bid in (target, target * np.linspace(0.0, 1.5, what.campaigns), target):
        found = what.outcome(bid, rules)
        expected = by_hand(what, bid, rules or usual, pricing)
        np.testing.assert_allclose(np.array(found), expected, rtol=2e-5, atol=1e-9)
        first = first or found
    np.testing.assert_array_equal(np.array(found), np.array(first))
    assert found.spend.sum() > 0.05
    np.testing.assert_allclose(np.array(what.outcome(target, usual)), np.array(what.outcome(target)), rtol=1e-6)


def test_what_binding_campaigns_spend_at_their_priors_is_their_budget() -> None:
    """Within 1%, of an expected day of `pacing-small`; the others spend less than theirs."""
    table, requests = build(PACING).campaigns, PACING.expected_requests
    budget, spend = table.budget / 1e6, rehearsal(PACING).outcome(table.prior * table.target).spend * requests
    binds = table.prior < 0.999
    assert binds.sum() >= 12
    np.testing.assert_allclose(spend[binds], budget[binds], rtol=0.01)
    assert (spend[~binds] <= budget[~binds] * 1.01).all()


def test_a_whole_rehearsal_is_the_expected_day() -> None:
    """Impressions, spend and conversions of the market's own expectation, of which history tells."""
    expected, table = build(PACING).expected, build(PACING).campaigns
    found = rehearsal(PACING).outcome(table.prior * table.target)
    for name in ("impressions", "spend", "conversions"):
        np.testing.assert_allclose(getattr(found, name) * PACING.expected_requests, getattr(expected, name), rtol=1e-6)


def test_parts_are_as_large_and_of_such_ticks_as_they_say() -> None:
    whole = rehearsal(PACING)
    assert whole.tick.size == SAMPLE
    assert (np.diff(whole.tick) >= 0).all()
    assert set(whole.tick.tolist()) == set(range(24))
    for tick, most in ((0, 512), (7, 300), (23, 64), (23, 10_000), (12, 130)):
        late, its = whole.from_tick(tick, most), whole.of_tick(tick, most)
        rest, own = (whole.tick >= tick).sum(), (whole.tick == tick).sum()
        assert late.tick.size == min(most, rest) // LANES * LANES
        assert its.tick.size == min(most, own) // LANES * LANES
        assert late.tick.min() >= tick
        assert (its.tick == tick).all()
        assert whole.from_tick(tick, most) is late
        assert whole.of_tick(tick, most) is its
    # Spread evenly: in a part of all hours, each has its share of the requests, to one.
    part = whole.from_tick(0, 512)
    shares = np.bincount(whole.tick, minlength=24) / SAMPLE * 512
    assert np.abs(np.bincount(part.tick, minlength=24) - shares).max() < 2
    # And each is one of the whole's, at its hour.
    columns = {(int(t), r.tobytes()) for t, r in zip(whole.tick, whole.rate.T, strict=True)}
    assert all((int(t), r.tobytes()) in columns for t, r in zip(part.tick, part.rate.T, strict=True))


def test_where_a_tick_has_too_few_requests_those_near_it_stand_in() -> None:
    """The last ones of the day at its end; at least as many as are run at once."""
    few = rehearsal(PACING).of(np.arange(0, SAMPLE, SAMPLE // 512))
    late = few.from_tick(23, 512)
    assert (few.tick == 23).sum() < LANES
    assert late.tick.tolist() == few.tick[-LANES:].tolist()
    assert (few.tick == 2).sum() < LANES
    near = few.of_tick(2, 512)
    assert near.tick.size == LANES
    assert np.abs(near.tick - 2).max() <= np.sort(np.abs(few.tick - 2))[LANES - 1]
    assert (np.diff(near.tick) >= 0).all()


def test_conversions_may_be_more_likely_than_they_are_believed() -> None:
    whole, columns = rehearsal(PACING), np.arange(0, 6400, 50)
    factor = np.random.default_rng(0).uniform(0.5, 2.0, (whole.campaigns, columns.size))
    part, moved = whole.of(columns), whole.of(columns, factor)
    np.testing.assert_allclose(moved.rate, part.rate * factor, rtol=1e-6)
    np.testing.assert_array_equal(moved.click, part.click)
    bid = build(PACING).campaigns.target
    usual = SaleRules(np.full(whole.campaigns, PACING.auction.reserve), 1.0, np.ones(whole.campaigns))
    np.testing.assert_allclose(np.array(moved.outcome(bid)), by_hand(moved, bid, usual, "gsp"), rtol=2e-5)


@pytest.mark.parametrize("count", [0, 1, 63, 65])
def test_other_numbers_of_requests_are_refused(count: int) -> None:
    with pytest.raises(MarketError, match=f"^auctions are run again {LANES} at a time: not {count} requests$"):
        rehearsal(TINY).of(np.arange(count))


@pytest.mark.parametrize("part", ["whole", "of a tick"])
def test_nothing_that_is_seen_of_it_can_be_written_to(part: str) -> None:
    """Worlds of one scenario share it."""
    what = rehearsal(TINY) if part == "whole" else rehearsal(TINY).of_tick(3, 64)
    shown = {name: x for name, x in vars(what).items() if isinstance(x, np.ndarray) and not name.startswith("_")}
    assert {"rate", "click", "who", "tick", "exposure"} == set(shown)
    for name, array in shown.items():
        assert not array.flags.writeable, name
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    one, other = what.outcome(np.ones(6)), what.outcome(np.ones(6))
    one.spend[:] = 0  # is the caller's own
    assert other.spend.sum() > 0
    np.testing.assert_array_equal(what.outcome(np.ones(6)).spend, other.spend)


def test_playing_a_world_changes_nothing_in_it() -> None:
    what, bid = rehearsal(TINY), build(TINY).campaigns.target
    before = np.array(what.outcome(bid))
    world = World(TINY)
    world.set_reserve(0.3)
    world.set_squashing(0.5)
    world.set_pace(0, 0.5, 0.5)
    world.run()
    np.testing.assert_array_equal(np.array(what.outcome(bid)), before)
    assert rehearsal(TINY) is what


def test_several_threads_may_rehearse_at_once() -> None:
    """Worlds of a scenario share it: what one finds out is not what another bids."""
    shared = rehearsal(Scenario.preset("pacing-small")).from_tick(0, 1024)
    bids = [np.full(24, 5.0 * 1.3**n) for n in range(8)]
    alone = [shared.outcome(bid).spend for bid in bids]

    def again(n: int) -> bool:
        return all(np.array_equal(shared.outcome(bids[n]).spend, alone[n]) for _ in range(200))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(again, range(8)))
    finally:
        sys.setswitchinterval(before)
