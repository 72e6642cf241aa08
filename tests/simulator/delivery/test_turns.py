"""Turns of a campaign's ads: the best by belief, any of them, or a share of both, the same in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adarena.benchmarks.audits.reach import MARKET, reach
from adarena.benchmarks.pictures.ads import ads_table, creatives_table, reach_table
from adarena.simulator import MarketError, Scenario, ScenarioError, World
from adarena.simulator.market.market import build

ADS = 3
BASE = Scenario.preset("tiny").override(
    {"demand.ads_per_campaign": ADS, "demand.ad_spread": 0.5, "traffic.requests_per_day": 6000, "demand.budget_share": None}
)


def logged(folder: Path, even: float | None, engine: Any = "compiled") -> tuple[World, pd.DataFrame]:
    world = World(BASE.override({"demand.even_rotation": even}), seed=4, engine=engine, journal=folder)
    world.count_ads()
    world.run()
    return world, pd.read_parquet(folder / "impressions.parquet")


def test_a_share_of_0_is_as_it_was(tmp_path: Path) -> None:
    frames = [logged(tmp_path / str(even), even)[1] for even in (None, 0.0)]
    pd.testing.assert_frame_equal(*frames)
    assert Scenario.preset("tiny").digest == Scenario.preset("tiny").override({"demand.even_rotation": None}).digest


def test_each_ad_stands_as_often_by_even_rotation() -> None:
    """What is rated, request by request, before any auction: counts of a multinomial, and the rate is that ad's own."""
    world = World(BASE.override({"demand.even_rotation": 1.0}), seed=4)
    world.run(1)
    ad = world._exchange.state.bids.ad
    first = world.campaigns.first_ad
    for k, row in enumerate(ad):
        counts = np.bincount(row - first[k], minlength=ADS)
        assert counts.sum() == row.size
        assert abs(counts - row.size / ADS).max() < 4 * np.sqrt(row.size * (1 / ADS) * (1 - 1 / ADS))
    together = np.corrcoef(ad)[np.triu_indices(len(ad), 1)]
    assert abs(together).max() < 4.5 / np.sqrt(ad.shape[1])  # campaigns turn by themselves


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_best_stands_for_the_rest(share: float) -> None:
    """Beside a market without rotation: a share x (1 - 1/ads) of the requests show another ad, and no other does."""
    plain, turned = (World(BASE.override({"demand.even_rotation": even}), seed=4) for even in (None, share))
    for world in (plain, turned):
        world.run(1)
    one, other = (world._exchange.state.bids for world in (plain, turned))
    differ = one.ad != other.ad
    expected, n = share * (1 - 1 / ADS), differ.size
    assert abs(differ.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    np.testing.assert_array_equal(one.rate[~differ], other.rate[~differ])
    assert (other.rate[differ] <= one.rate[differ]).all()
    assert (other.rate[differ] < one.rate[differ]).mean() > 0.99


def test_an_ad_that_loses_by_belief_is_shown_too(tmp_path: Path) -> None:
    """The complaint: +.3 log-odds gave one ad everything."""
    world, shown = logged(tmp_path / "even", 1.0)
    best, _ = logged(tmp_path / "best", None)
    least, least_best = (w.ads.to_frame()["share"].min() for w in (world, best))  # type: ignore[union-attr]
    assert least > 0.05  # it wins fewer auctions, but stands in as many
    assert least_best < 0.01
    frame = world.ads.to_frame()  # type: ignore[union-attr]
    counted = (
        shown.groupby("ad").agg(impressions=("slot", "size"), clicks=("clicked", "sum")).reindex(frame.index, fill_value=0)
    )
    np.testing.assert_array_equal(frame["impressions"], counted["impressions"])
    np.testing.assert_array_equal(frame["clicks"], counted["clicks"])
    believed = shown.groupby("ad")["believed_rate"].mean().reindex(frame.index)
    np.testing.assert_allclose(frame["believed_rate"], believed, rtol=1e-5)
    np.testing.assert_allclose(frame.groupby("campaign", observed=True)["share"].sum(), 1.0)


def test_both_engines_turn_alike(tmp_path: Path) -> None:
    frames = [logged(tmp_path / engine, 0.5, engine)[1] for engine in ("compiled", "events")]
    pd.testing.assert_frame_equal(*frames)


def test_what_is_expected_of_a_day_knows_of_turns() -> None:
    """Prices and rates of the expected day are those of the ads that will stand: lower than of the best alone."""
    best, half, even = (build(BASE.override({"demand.even_rotation": e})).expected.rate for e in (None, 0.5, 1.0))
    assert (even < half).all()
    assert (half < best).all()
    np.testing.assert_allclose(half, (best + even) / 2, rtol=0.05)


def test_listed_campaigns_turn_each_by_itself() -> None:
    from places import ROOT

    own = Scenario.load(ROOT / "docs" / "own_market.yaml").override({"serving": None, "fatigue": None})
    name = next(c.name for a in own.demand.advertisers for c in a.campaigns if len(c.ads) > 1)  # type: ignore[union-attr]
    plain, turned = World(own, seed=0), World(own.override({f"campaigns.{name}.even_rotation": 1.0}), seed=0)
    for world in (plain, turned):
        world.run(1)
    k = plain.campaigns.names.index(name)
    differs = (plain._exchange.state.bids.ad != turned._exchange.state.bids.ad).any(axis=1)
    assert np.flatnonzero(differs).tolist() == [k]


def test_where_it_makes_no_sense_it_is_refused() -> None:
    with pytest.raises(ScenarioError, match="even_rotation needs a market without a funnel"):
        BASE.override({"demand.even_rotation": 0.5, "funnel": {"levels": [{"recall": 5, "rough": 4, "fine": 3}]}})
    with pytest.raises(ScenarioError, match="even_rotation"):
        BASE.override({"demand.even_rotation": 1.5})


# Tables of what was shown


def test_reach_is_of_users_and_frequency_of_impressions(tmp_path: Path) -> None:
    world, shown = logged(tmp_path, None)
    frame = reach(tmp_path)
    requests = pd.read_parquet(tmp_path / "requests.parquet")
    for k, name in enumerate(world.campaigns.names):
        own = shown[shown["campaign"] == k]
        if own.empty:
            assert name not in frame.index
            continue
        times = [int((own["user"] == user).sum()) for user in own["user"].unique()]
        assert frame.loc[name, "users"] == len(times)
        assert frame.loc[name, "impressions"] == sum(times) == world.ledger.impressions()[:, k].sum()
        assert frame.loc[name, "frequency"] == pytest.approx(np.mean(times))
        assert frame.loc[name, "once"] == pytest.approx(np.mean(np.array(times) == 1))
        assert frame.loc[name, "reach"] == pytest.approx(len(times) / requests["user"].nunique())
    assert frame.loc[MARKET, "users"] == shown["user"].nunique()
    cells = [list(column.cells) for column in reach_table(tmp_path).columns]
    assert str(cells[1][-1]) == f"{len(shown):,}"
    with pytest.raises(MarketError, match="holds no journal"):
        reach(tmp_path / "nowhere")


def test_tables_of_ads_and_creatives_add_up() -> None:
    world = World(BASE.override({"creatives": {"per_ad": [1, 3]}, "traffic.requests_per_day": 1000}), seed=1)
    world.count_ads()
    world.run()
    total = int(world.ledger.impressions().sum())
    for table in (ads_table(world), creatives_table(world)):
        headers = [str(column.header) for column in table.columns]
        cells = [str(cell).replace(",", "") for cell in table.columns[headers.index("impressions")].cells]
        assert sum(map(int, cells)) == total
