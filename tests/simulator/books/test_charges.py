"""Charges in the journal: their sums are what the ledger booked, to the millionth, and none is made of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from places import ROOT

import adarena
from adarena.simulator import MarketError, Scenario, World
from adarena.simulator.engine.state import Count
from adarena.simulator.scenario.creatives import FORMATS

TIGHT = {"traffic.requests_per_day": 3000, "demand.budget_share": 0.1, "demand.conversion_rate": 0.3}
MARKETS: dict[str, tuple[str, dict[str, Any]]] = {
    "cpm": ("tiny", {"demand.billing": "cpm"}),
    "cpc": ("tiny", {"demand.billing": "cpc"}),
    "cpa": ("tiny", {"days": 2, "demand.billing": "cpa", **TIGHT}),
    "leads": ("leads", {"days": 2, "traffic.requests_per_day": 2000, "demand.billing": "cpa"}),
}


def logged(name: str, folder: Path, engine: Any = "compiled") -> World:
    preset, changes = MARKETS[name]
    world = World(Scenario.preset(preset).override(changes), seed=3, engine=engine, journal=folder)
    world.run()
    return world


@pytest.mark.parametrize("name", MARKETS)
def test_their_sums_are_the_ledgers(name: str, tmp_path: Path) -> None:
    world = logged(name, tmp_path)
    wanted = world.ledger.counts[:, [Count.SPEND, Count.WRITTEN_OFF]].sum(axis=0).T
    assert wanted[:, 0].any()
    by_campaign = "sum(charged_millionths)::bigint, sum(written_off_millionths)::bigint"
    query = f"select campaign, {by_campaign} from '{tmp_path}/charges.parquet' group by campaign"
    found = np.zeros_like(wanted)
    for campaign, charged, written_off in duckdb.sql(query).fetchall():
        found[campaign] = charged, written_off
    np.testing.assert_array_equal(found, wanted)
    frame = pl.read_parquet(tmp_path / "charges.parquet")
    assert round(frame["charged"].sum() * 1e6) == wanted[:, 0].sum()
    assert frame["what"].cast(pl.String).unique().to_list() == [
        {"cpm": "impression", "cpc": "click", "cpa": "conversion"}.get(name, "conversion")
    ]
    shown = pl.read_parquet(tmp_path / "impressions.parquet")
    joined = frame.join(shown, on=["request", "slot"], how="left")
    assert joined["user"].null_count() == 0
    assert (joined["campaign"] == joined["campaign_right"]).all()
    assert (joined["ad"] == joined["ad_right"]).all()
    if name == "cpm":
        np.testing.assert_array_equal(np.sort(frame["charged"]), np.sort(shown["price"].filter(shown["price"] > 0)))
    if name == "cpc":
        assert joined["clicked"].all()
        assert len(frame) == shown["clicked"].sum()
    if name in ("cpa", "leads"):
        assert joined["converted"].all()
        late = shown.filter(pl.col("report_us") >= world.scenario.horizon_us)
        assert len(late) or name == "leads"  # what is reported after the end falls due with the last tick
        assert (joined["time_us"] >= joined["report_us"].clip(0, world.scenario.horizon_us)).all()


def test_what_the_budget_does_not_cover_is_written_off_of_the_last(tmp_path: Path) -> None:
    """Within a tick conversions are paid in the order of their reports: nobody is paid after one that was not."""
    world = logged("cpa", tmp_path)
    frame = pd.read_parquet(tmp_path / "charges.parquet")
    off = frame["written_off_millionths"]
    assert (off > 0).any()
    assert (off[off > 0] + frame["charged_millionths"][off > 0] > 0).all()
    shown = pd.read_parquet(tmp_path / "impressions.parquet")
    merged = frame.merge(shown, on=["request", "slot"]).sort_values(["campaign_x", "time_us_x", "report_us"])
    for _, tick in merged.groupby(["campaign_x", "time_us_x"]):
        unpaid = (tick["written_off_millionths"] > 0).to_numpy()
        assert (tick["charged_millionths"].to_numpy()[1:][unpaid[:-1]] == 0).all()
    by_tick = frame.groupby(["time_us", "campaign"])["charged_millionths"].sum()
    for (time, campaign), charged in by_tick.items():  # type: ignore[misc]
        assert charged == world.ledger.counts[time // world.scenario.tick_us - 1, Count.SPEND, campaign]


def test_both_engines_charge_the_same(tmp_path: Path) -> None:
    frames = [
        (logged("cpa", tmp_path / e, e), pd.read_parquet(tmp_path / e / "charges.parquet")) for e in ("compiled", "events")
    ]
    pd.testing.assert_frame_equal(frames[0][1], frames[1][1])


def test_charges_of_a_journal_that_is_closed_early_are_those_of_closed_ticks(tmp_path: Path) -> None:
    preset, changes = MARKETS["cpa"]
    world = World(Scenario.preset(preset).override(changes), seed=3, journal=tmp_path)
    world.run(world.hours(20))
    assert world.journal is not None
    world.journal.close()
    frame = pd.read_parquet(tmp_path / "charges.parquet")
    assert frame["charged_millionths"].sum() == world.ledger.counts[:, Count.SPEND].sum() > 0
    assert frame["time_us"].max() <= world.now


# What stands beside the log


def test_numbers_have_names_beside_them(tmp_path: Path) -> None:
    scenario = Scenario.load(ROOT / "docs" / "own_market.yaml").override({"serving": None, "fatigue": None})
    world = World(scenario, seed=5, journal=tmp_path)
    world.run(world.hours(3))
    assert world.journal is not None
    world.journal.close()
    campaigns, ads = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("campaigns", "ads"))
    listed = [(a.name, c) for a in scenario.demand.advertisers for c in a.campaigns]  # type: ignore[union-attr]
    assert campaigns["name"].tolist() == [c.name for _, c in listed]
    assert campaigns["advertiser"].tolist() == [advertiser for advertiser, _ in listed]
    assert campaigns["billing"].tolist() == [c.billing for _, c in listed]
    assert campaigns["budget_per_day"].tolist() == [c.budget_per_day for _, c in listed]
    assert ads["name"].tolist() == [ad.name for _, c in listed for ad in c.ads]
    assert ads["campaign"].tolist() == [k for k, (_, c) in enumerate(listed) for _ in c.ads]
    if scenario.creatives is not None:
        creatives = pd.read_parquet(tmp_path / "creatives.parquet")
        assert world.creatives is not None
        told = world.creatives.to_frame()
        assert creatives["name"].tolist() == told["creative"].tolist()
        assert creatives["format"].tolist() == told["format"].astype(str).tolist()
        assert set(creatives["format"]) <= set(FORMATS)
    assert Scenario.load(tmp_path / "scenario.yaml") == scenario
    run = json.loads((tmp_path / "run.json").read_text())
    assert run == {"adarena": adarena.__version__, "seed": 5, "scenario": scenario.name, "digest": scenario.digest}


def test_a_scenario_of_ones_own_in_the_folder_is_not_written_over(tmp_path: Path) -> None:
    Scenario.preset("tiny").save(tmp_path / "scenario.yaml")
    before = (tmp_path / "scenario.yaml").read_bytes()
    with pytest.raises(MarketError, match=r"scenario\.yaml.* is no log of this version"):
        World(Scenario.preset("tiny"), journal=tmp_path)
    assert (tmp_path / "scenario.yaml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.yaml"]
