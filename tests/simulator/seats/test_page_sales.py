"""Ads on pages: they are sold for the places that carry them, and the books of pages add up to those of the market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from allocating import COUNT, MARKETS, SMALL, Holder, by_rule, played
from by_hand import sold

from adarena.simulator import Open, World
from adarena.simulator.response.pages import PageSum
from adarena.simulator.seats.allocation.decisions import Patterns


def test_books_add_up() -> None:
    for market in ("budgets", "vcg, per conversion", "funnel on servers"):
        world = played(SMALL.override(MARKETS[market]), by_rule())
        assert world.pages is not None
        sums, ledger = world.pages.sums.sum(axis=0), world.ledger
        np.testing.assert_allclose(world.pages.users.sum(axis=0), sums)
        assert sums[PageSum.ADS] == ledger.impressions().sum()
        assert sums[PageSum.PAGES] == world.played
        frame = world.pages.to_frame()
        assert frame["pages"].sum() == sums[PageSum.PAGES]
        assert world.pages.score.sum() == pytest.approx((frame["revenue"] + frame["organic"]).sum())
        if SMALL.override(MARKETS[market]).demand.billing != "cpa":  # else what is owed is charged when it is reported
            assert sums[PageSum.CHARGED] == pytest.approx(ledger.spend().sum())


def test_who_allocates_no_places_sells_none() -> None:
    nothing = played(SMALL, Holder(lambda _: Patterns(0)))
    assert nothing.ledger.impressions().sum() == 0
    assert nothing.ledger.spend().sum() == 0


@pytest.mark.parametrize("pricing", ["first", "second", "gsp", "vcg"])
def test_ads_are_sold_for_the_places_that_carry_them(pricing: str, tmp_path: Path) -> None:
    """Against an auction by hand, with the exposures of those places."""
    scenario = SMALL.override({"auction.pricing": pricing, "auction.reserve": 0.02})
    world = World(scenario, {"allocation": Open("request")}, seed=4, journal=tmp_path)
    state, dice, wanted = world._exchange.state, np.random.default_rng(0), dict[tuple[int, int], tuple[int, float]]()
    patterns, exposure = scenario.pages.patterns(5), scenario.page_exposure  # type: ignore[union-attr]
    while world.until_asked() is not None:
        desk = world._exchange.desk
        assert desk is not None
        pattern = int(dice.integers(COUNT))
        bid = state.bids.rate[:, desk.column].astype(np.float64) * state.bids.live
        sales = sold(bid, np.ones(bid.size), state.bids.floor.astype(np.float64), pricing, exposure[pattern])
        request = int(state.control[0])
        wanted |= {(request, place): sale for place, sale in zip(patterns[pattern], sales, strict=False)}
        world.answer(pattern)
    shown = pq.read_table(tmp_path / "impressions.parquet").to_pandas()
    assert len(shown) > 300
    for row in shown.itertuples():
        campaign, price = wanted[row.request, row.slot]
        assert campaign == row.campaign
        assert row.price * 1e6 == pytest.approx(price, rel=1e-5, abs=2)
