"""The journal: what is on disk is what happened, to the last row, in bounded memory, and nothing half-written."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from places import ROOT
from players import Action, policies
from tapes import give_tape

from adarena.simulator import Logs, MarketError, Scenario, World
from adarena.simulator.books.hashing import hashed
from adarena.simulator.books.schemas import CANDIDATES, CATEGORIES, EVENTS, FEATURES, IMPRESSIONS, REQUESTS, TRUTH
from adarena.simulator.engine.state import Control, Count

NAMES = ("requests", "impressions", "truth", "events")


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """All four logs."""
    return {name: pq.read_table(folder / f"{name}.parquet").to_pandas() for name in NAMES}


def logged(folder: Path, scenario: Scenario, seed: int = 1, engine: str = "compiled") -> World:
    """A world with a few events that has written its journal."""
    world = World(scenario, {"bidding": {0: policies("m")[0]}}, seed, engine, journal=folder)  # type: ignore[arg-type]
    for deed in (Action(1000, "top_up", 1, 0.5), Action(2000, "surge", 0, 2.0), Action(2000, "pause", 2, 0.0)):
        world.process(deed.process(world))
    world.run()
    return world


def test_the_journal_holds_what_the_kernel_wrote(tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny").override({"days": 2})
    logged(tmp_path, scenario)
    logs = read(tmp_path)
    again = World(scenario, {"bidding": {0: policies("m")[0]}}, 1)
    tape_of = give_tape(again, 100_000)
    for deed in (Action(1000, "top_up", 1, 0.5), Action(2000, "surge", 0, 2.0), Action(2000, "pause", 2, 0.0)):
        again.process(deed.process(again))
    again.run()
    tape, shown = tape_of(), logs["impressions"]
    for name in ("request", "time_us", "user", "campaign", "ad", "slot", "clicked", "converted", "report_us"):
        np.testing.assert_array_equal(shown[name].to_numpy().astype(np.int64), tape.column(name), err_msg=name)
    for name in ("bid", "price"):
        np.testing.assert_array_equal(np.round(shown[name] * 1e6).astype(np.int64), tape.column(name))
    np.testing.assert_array_equal(shown["believed_rate"], tape.believed)
    np.testing.assert_array_equal(logs["truth"]["true_rate"], tape.true)


def test_the_journal_agrees_with_the_ledger(tmp_path: Path) -> None:
    world = logged(tmp_path, Scenario.preset("tiny"))
    logs, frame = read(tmp_path), world.ledger.to_frame()
    ticks = world.scenario.tick_us
    requests = logs["requests"]
    assert requests["request"].tolist() == list(range(world.played))
    assert requests["time_us"].is_monotonic_increasing
    per_tick = np.bincount(requests["time_us"] // ticks, minlength=24)
    assert per_tick.tolist() == world.ledger.requests().tolist()
    people = world._exchange.market.users
    np.testing.assert_array_equal(requests["segment"], people.segment[requests["user"]])
    shown = logs["impressions"]
    by_campaign = frame.groupby("campaign", observed=False)[["impressions", "clicks", "conversions", "spend"]].sum()
    cells = shown.groupby("campaign").agg(
        impressions=("slot", "size"), clicks=("clicked", "sum"), conversions=("converted", "sum"), spend=("price", "sum")
    )
    for name in ("impressions", "clicks", "conversions"):
        assert by_campaign[name].tolist() == cells[name].reindex(range(6), fill_value=0).tolist()
    np.testing.assert_allclose(by_campaign["spend"], cells["spend"].reindex(range(6), fill_value=0.0), atol=1e-9)
    merged = shown.merge(requests, on="request", suffixes=("", "_r"))
    assert (merged["time_us"] == merged["time_us_r"]).all()
    assert (merged["user"] == merged["user_r"]).all()
    assert ((shown["report_us"] >= shown["time_us"]) == shown["converted"]).all()
    # The truth has a row for each impression, in the same order.
    assert logs["truth"]["request"].tolist() == shown["request"].tolist()
    assert logs["truth"]["slot"].tolist() == shown["slot"].tolist()


def test_events_are_logged_in_their_order(tmp_path: Path) -> None:
    logged(tmp_path, Scenario.preset("tiny"))
    events = read(tmp_path)["events"]
    rows = [tuple(row) for row in events[["time_us", "what", "campaign"]].itertuples(index=False)]
    assert rows == [(1000, "top_up", 1), (2000, "surge", -1), (2000, "pause", 2)]
    assert events["amount"][:2].tolist() == [0.5, 2.0]
    assert np.isnan(events["amount"][2])


def test_both_engines_write_the_same(tmp_path: Path) -> None:
    for engine in ("compiled", "events"):
        logged(tmp_path / engine, Scenario.preset("tiny"), engine=engine)
    for name, one in read(tmp_path / "compiled").items():
        pd.testing.assert_frame_equal(one, read(tmp_path / "events")[name])


def test_the_journal_changes_nothing(tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny")
    world = logged(tmp_path, scenario)
    again = World(scenario, {"bidding": {0: policies("m")[0]}}, 1)
    for deed in (Action(1000, "top_up", 1, 0.5), Action(2000, "surge", 0, 2.0), Action(2000, "pause", 2, 0.0)):
        again.process(deed.process(again))
    again.run()
    np.testing.assert_array_equal(world.ledger.counts, again.ledger.counts)
    np.testing.assert_array_equal(world.ledger.sums, again.ledger.sums)


def test_long_runs_are_streamed_in_row_groups(tmp_path: Path) -> None:
    """More rows than a row group: nothing is lost or doubled where one ends, and the buffers do not grow."""
    scenario = Scenario.preset("tiny").override(
        {"traffic.requests_per_day": 90_000, "traffic.day_sigma": 0.0, "users.count": 50}
    )
    world = World(scenario, seed=0, journal=tmp_path)
    rows = world._exchange.state.logs.journal_ints.shape[0]
    world.run()
    assert world._exchange.state.logs.journal_ints.shape[0] == rows < 80_000
    requests, impressions = (pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("requests", "impressions"))
    assert requests.num_row_groups > 1
    assert impressions.num_row_groups > 1
    assert requests.metadata.num_rows == world.played
    assert impressions.metadata.num_rows == int(world.ledger.counts[:, Count.IMPRESSIONS].sum())
    pairs = impressions.read(["request", "slot"]).to_pandas()
    assert not pairs.duplicated().any()
    assert pairs["request"].is_monotonic_increasing


def test_files_have_their_names_only_when_they_are_whole(tmp_path: Path) -> None:
    world = World(Scenario.preset("tiny"), journal=tmp_path)
    world.run(world.scenario.horizon_us // 2)
    tables = (*NAMES, "charges", "campaigns", "ads")
    assert {path.name for path in tmp_path.iterdir()} == {".journal.lock", *(f"{name}.parquet.part" for name in tables)}
    world.run()
    assert {path.name for path in tmp_path.iterdir()} == {"scenario.yaml", "run.json", *(f"{n}.parquet" for n in tables)}


def test_a_journal_can_be_closed_early(tmp_path: Path) -> None:
    world = World(Scenario.preset("tiny"), journal=tmp_path)
    world.run(world.scenario.horizon_us // 2)
    assert world.journal is not None
    world.journal.close()
    world.journal.close()
    logs = read(tmp_path)
    assert len(logs["requests"]) == world.played


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, below: str) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(MarketError, match="cannot write a journal to"):
        World(Scenario.preset("tiny"), journal=taken / below)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_world_that_cannot_be_built_leaves_no_journal(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="no campaign 'nobody'"):
        World(Scenario.preset("tiny"), journal=tmp_path / "log", record="nobody")
    assert list(tmp_path.iterdir()) == []


WHOLE = {
    "days": 2, "sessions": {"mean_requests": 8.0}, "fatigue": {}, "creatives": {"per_ad": [1, 3]},
    "demand.conversion_rate": 0.1, "demand.lead": {"form_open_rate": 0.7, "qualified_rate": 0.5, "sale_rate": 0.4},
    "search": {"concepts": 100, "queries": 400, "head_queries": 50, "keywords": 5},
    "surfaces": [
        {"name": "feed", "share": 2, "exposure": [1.0]}, {"name": "results", "share": 1, "asks": True, "exposure": [1.0, 0.6]},
    ],
    "funnel": {"levels": [{"recall": 8, "rough": 5, "fine": 4}], "keyword_share": 0.4},
}  # fmt: skip


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, pd.DataFrame]]:
    """A market with everything, and all logs of it."""
    folder = tmp_path_factory.mktemp("logs")
    world = World(Scenario.preset("tiny").override(WHOLE), seed=6, journal=Logs(folder, features=True, candidates=0.2))
    world.run()
    return world, {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}


def test_features_are_what_was_known_before_the_request(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    """Counters against a slow count over the impressions that were over when the request was auctioned."""
    _, logs = features
    rows = logs["features"]
    before = rows["request"].to_numpy()[:, None] > rows["request"].to_numpy()  # times rise with requests: there are no servers
    clicked = rows["clicked"].to_numpy()
    for who in ("user", "ad"):
        same = rows[who].to_numpy()[:, None] == rows[who].to_numpy()
        np.testing.assert_array_equal(rows[f"{who}_shown"], (same & before).sum(axis=1))
        np.testing.assert_array_equal(rows[f"{who}_clicked"], (same & before & clicked).sum(axis=1))
    same = rows["user"].to_numpy()[:, None] == rows["user"].to_numpy()
    last = np.where(same & before, rows["time_us"].to_numpy(), -1).max(axis=1)
    np.testing.assert_array_equal(rows["user_idle_us"], np.where(last >= 0, rows["time_us"] - last, -1))
    assert (rows["user_shown"] > 3).any()


def test_features_tell_who_asked_for_what_and_what_was_shown(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    world, logs = features
    rows, shown, asked = logs["features"], logs["impressions"], logs["requests"].set_index("request")
    assert len(rows) == len(shown) == len(logs["truth"])
    for name in set(rows) & set(shown) - {"believed_rate"}:
        np.testing.assert_array_equal(rows[name], shown[name], err_msg=name)
    np.testing.assert_array_equal(rows["believed_rate"], shown["believed_rate"].astype(np.float32))
    for name in ("user", "segment", "surface", "query"):
        np.testing.assert_array_equal(rows[name], asked[name].loc[rows["request"]], err_msg=name)
    market = world._exchange.market
    assert market.creatives is not None
    np.testing.assert_array_equal(rows["format"], market.creatives.format[rows["creative"]])
    np.testing.assert_array_equal(rows["vertical"], world.campaigns.vertical[rows["campaign"]])
    np.testing.assert_array_equal(rows["hour"], rows["time_us"] // 3_600_000_000 % 24)
    np.testing.assert_allclose(rows["propensity"], 1 / np.diff(market.creatives.first)[rows["ad"]], rtol=1e-6)
    assert ((rows["query"] >= 0) == (rows["surface"] == 1)).all()
    # Requests that were not made are not logged, and every session is a row of pages.
    assert len(asked) == world.ledger.requests().sum()
    assert (
        asked.groupby("session")["page"].apply(list).map(lambda pages: pages == list(range(pages[0], pages[0] + len(pages))))
    ).all()


def test_a_lead_has_its_chain_in_the_log(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    world, logs = features
    rows, books = logs["features"], world.ledger.to_frame()[["form_opens", "conversions", "qualified_reported"]].sum()
    assert rows["form_opened"].sum() == books["form_opens"] > rows["converted"].sum() == books["conversions"]
    told = (rows["qualified_us"] >= 0) & (rows["qualified_us"] < world.scenario.horizon_us)
    assert told.sum() == books["qualified_reported"] > 5
    later = rows[rows["sold_us"] >= 0]
    assert len(later) > 5
    assert (later["sold_us"] > later["qualified_us"]).all()
    assert (later["qualified_us"] > later["report_us"]).all()
    assert (later["report_us"] > later["time_us"]).all()


def by_hand(name: str, value: int) -> int:
    """SplitMix64 of a value in Python's own numbers, its upper half."""
    salt = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    x = (value * 0x9E3779B97F4A7C15 + salt) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return (x ^ x >> 31) >> 32


def test_hashes_tell_values_and_columns_apart(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    rows = features[1]["features"]
    for name in CATEGORIES:
        assert rows.groupby(name)[f"{name}_hash"].nunique().eq(1).all()
        assert rows[f"{name}_hash"].nunique() == rows[name].nunique()
    small = np.arange(100)
    assert not set(hashed("user", small)) & set(hashed("ad", small))
    assert hashed("user", np.array([0, 1, -1])).tolist() == [by_hand("user", value) for value in (0, 1, -1)]
    # Modulo a power of two they fill a table evenly: chi-square over 256 places.
    counts = np.bincount(hashed("query", np.arange(256_000)) % 256, minlength=256)
    assert abs(((counts - 1000) ** 2 / 1000).sum() - 255) < 5 * (2 * 255) ** 0.5


def test_candidates_are_those_the_funnel_passed(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    _, logs = features
    rows, made = logs["candidates"], len(logs["requests"])
    sampled = rows["request"].nunique()
    assert abs(sampled - 0.2 * made) < 4 * (0.16 * made) ** 0.5
    assert not rows.duplicated(["request", "ad"]).any()
    by_stage = rows.groupby("request")["stage"].value_counts().unstack(fill_value=0)
    assert (by_stage.sum(axis=1) <= 8).all()
    assert (by_stage["fine"] <= 4).all()
    assert (by_stage["fine"] + by_stage["rough"] <= 5).all()
    shown = logs["impressions"].merge(rows, on=["request", "ad"], how="inner")
    expected = logs["impressions"]["request"].isin(rows["request"]).sum()
    assert len(shown) == expected > 100  # what was shown has left the fine sort
    assert (shown["stage"] == "fine").all()


def test_candidates_are_of_requests_that_were_made(tmp_path: Path) -> None:
    """Most of what is planned is not: users leave at once."""
    changes = {**WHOLE, "days": 1, "sessions": {"mean_requests": 8.0, "leave_rate": 2.0}}
    for serving in (None, {"servers": 3, "service_s": 60.0}):
        scenario = Scenario.preset("tiny").override({**changes, "serving": serving})
        folder = tmp_path / str(serving is None)
        world = World(scenario, seed=2, journal=Logs(folder, candidates=1.0))
        world.run()
        candidates, made = (pd.read_parquet(folder / f"{name}.parquet")["request"] for name in ("candidates", "requests"))
        assert len(made) == world.played < 0.5 * world._exchange.state.control[Control.NEXT]
        assert set(candidates) == set(made)


def test_hours_are_those_of_the_market_s_day(tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny").override({"day_s": 3_600, "days": 2})
    World(scenario, seed=2, journal=Logs(tmp_path, features=True)).run()
    rows = pd.read_parquet(tmp_path / "features.parquet")
    np.testing.assert_array_equal(rows["hour"], rows["time_us"] // 150_000_000 % 24)
    assert rows["hour"].nunique() == 24


def test_logs_change_nothing(features: tuple[World, dict[str, pd.DataFrame]]) -> None:
    world, _ = features
    plain = World(world.scenario, seed=6)
    plain.run()
    np.testing.assert_array_equal(plain.ledger.counts, world.ledger.counts)
    np.testing.assert_array_equal(plain.ledger.sums, world.ledger.sums)


def test_other_tools_read_them(features: tuple[World, dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    polars, duckdb = (pytest.importorskip(name, reason=f"{name} is not installed") for name in ("polars", "duckdb"))
    path = tmp_path / "features.parquet"
    features[1]["features"].to_parquet(path)
    clicks = int(features[1]["features"]["clicked"].sum())
    assert polars.scan_parquet(path).select("clicked").collect()["clicked"].sum() == clicks
    assert duckdb.sql(f"select sum(clicked::int) from '{path}'").fetchall()[0][0] == clicks


def test_every_column_is_documented() -> None:
    text = (ROOT / "docs" / "journal.md").read_text()
    for schema in (REQUESTS, IMPRESSIONS, EVENTS, TRUTH, CANDIDATES, FEATURES):
        missing = [name for name in schema.names if f"`{name}`" not in text and not name.endswith("_hash")]
        assert missing == []


def test_wrong_logs_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"a share of the requests from 0 to 1, not 1\.5"):
        Logs(tmp_path, candidates=1.5)
    with pytest.raises(MarketError, match="candidates are those of a funnel, and scenario 'tiny' has none"):
        World(Scenario.preset("tiny"), journal=Logs(tmp_path, candidates=0.1))
