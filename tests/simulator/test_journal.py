"""The journal: what is on disk is what happened, to the last row, in bounded memory, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from markets import Action, give_tape, policies

from adarena.simulator import MarketError, Scenario, World
from adarena.simulator import kernel as K

NAMES = ("requests", "impressions", "truth", "events")


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """All four logs."""
    return {name: pq.read_table(folder / f"{name}.parquet").to_pandas() for name in NAMES}


def logged(folder: Path, scenario: Scenario, seed: int = 1, engine: str = "compiled") -> World:
    """A world with a few events that has written its journal."""
    world = World(scenario, {"bid": {0: policies("m")[0]}}, seed, engine, journal=folder)  # type: ignore[arg-type]
    for deed in (Action(1000, "top_up", 1, 0.5), Action(2000, "surge", 0, 2.0), Action(2000, "pause", 2, 0.0)):
        world.process(deed.process(world))
    world.run()
    return world


def test_the_journal_holds_what_the_kernel_wrote(tmp_path: Path) -> None:
    scenario = Scenario.preset("tiny").override({"days": 2})
    logged(tmp_path, scenario)
    logs = read(tmp_path)
    again = World(scenario, {"bid": {0: policies("m")[0]}}, 1)
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
    again = World(scenario, {"bid": {0: policies("m")[0]}}, 1)
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
    rows = world._exchange.state.journal_ints.shape[0]
    world.run()
    assert world._exchange.state.journal_ints.shape[0] == rows < 80_000
    requests, impressions = (pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("requests", "impressions"))
    assert requests.num_row_groups > 1
    assert impressions.num_row_groups > 1
    assert requests.metadata.num_rows == world.played
    assert impressions.metadata.num_rows == int(world.ledger.counts[:, K.IMPRESSIONS].sum())
    pairs = impressions.read(["request", "slot"]).to_pandas()
    assert not pairs.duplicated().any()
    assert pairs["request"].is_monotonic_increasing


def test_files_have_their_names_only_when_they_are_whole(tmp_path: Path) -> None:
    world = World(Scenario.preset("tiny"), journal=tmp_path)
    world.run(world.scenario.horizon_us // 2)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.parquet.part" for name in NAMES[:3]}
    world.run()
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.parquet" for name in NAMES}


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
