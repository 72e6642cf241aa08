"""Logs as streams of examples: whose past, which labels, which rows."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rank_logs import taste_log, write_log

from adarena.agents.rankers.features import Schema, chosen
from adarena.agents.rankers.logs import Log, Window, joined, recalibrated
from adarena.simulator.core.errors import LogError

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def tastes(tmp_path_factory) -> Path:
    return taste_log(tmp_path_factory.mktemp("tastes"), 20_000)


def test_a_stream_is_the_whole_file_in_its_order(tastes):
    log = Log(tastes)
    found = list(log.chunks(["ad", "clicked"]))
    frame = pd.read_parquet(tastes / "features.parquet")
    assert len(found) > 3
    for name in ("request", "ad", "clicked"):
        assert np.array_equal(np.concatenate([chunk[name] for chunk in found]), frame[name])
    for chunk, after in itertools.pairwise(found):
        assert chunk["request"][-1] < after["request"][0]  # a request is in one chunk
    assert np.array_equal(
        np.concatenate([c["true_rate"] for c in found]), pd.read_parquet(tastes / "truth.parquet")["true_rate"]
    )


def test_the_past_is_that_of_a_loop_over_requests(tastes):
    """The latest three impressions of the user, and nothing of the request itself, across row groups."""
    log = Log(tastes)
    schema = Schema(chosen(["user", "ad", "vertical"]), 3)
    found = log.whole(schema, Window())
    frame = pd.read_parquet(tastes / "features.parquet")
    pasts: dict[int, list[tuple[int, int, int]]] = {}
    row = 0
    for _, rows in frame.iloc[:6000].groupby("request"):
        seen = list(range(row, row + len(rows)))
        for at in seen:
            told = pasts.get(frame.user[at], [])[-3:]
            empty = 3 - len(told)
            assert found.past.clicked[at].tolist() == [-1] * empty + [clicked for *_, clicked in told]
            assert found.past.items[at, empty:].tolist() == [[ad, vertical] for ad, vertical, _ in told]
        for at in seen:
            pasts.setdefault(frame.user[at], []).append((found.ids[at, 1], found.ids[at, 2], int(frame.clicked[at])))
        row += len(rows)
    # A window that begins later knows what was before it.
    late = log.whole(schema, Window(first_us=int(found.time_us[7001])))
    assert np.array_equal(late.past.items, found.past.items[found.time_us >= found.time_us[7001]])


def test_windows_follow_each_other_and_training_knows_nothing_later(tmp_path):
    n = 6_000
    time = np.arange(n) * (10 * DAY // n)
    report = np.where(np.arange(n) % 3 == 0, time + 3 * DAY, -1)
    columns = {"request": np.arange(n), "time_us": time, "slot": np.zeros(n, int), "user": np.arange(n) % 7,
               "ad": np.arange(n) % 5, "clicked": np.ones(n), "converted": report >= 0, "report_us": report}  # fmt: skip
    log = Log(write_log(tmp_path, columns))
    schema = log.schema()
    train, valid, test = log.split(0.5, 0.25)
    parts = [log.whole(schema, window) for window in (train, valid, test)]
    assert [part.time_us.size for part in parts] == [3000, 1500, 1500]
    assert np.array_equal(np.concatenate([part.time_us for part in parts]), time)
    cut = time[3000]
    assert np.array_equal(parts[0].labels[:, 1], (report[:3000] >= 0) & (report[:3000] <= cut))
    assert parts[0].labels[:, 1].mean() == pytest.approx(1 / 3 * 0.4, abs=0.01)  # of five days those of the first two
    assert parts[2].labels[:, 1].mean() == pytest.approx(1 / 3)  # a judge knows all
    assert np.allclose(parts[0].age_s, (cut - time[:3000]) / 1e6)
    assert np.isinf(parts[2].age_s).all()
    known = parts[0].labels[:, 1] > 0
    assert (parts[0].delay_s[known] == 3 * DAY / 1e6).all()
    assert np.isnan(parts[0].delay_s[~known]).all()


def test_a_log_without_a_truth_says_so(tmp_path):
    taste_log(tmp_path, 100)
    (tmp_path / "truth.parquet").unlink()
    log = Log(tmp_path)
    assert not log.has_truth
    assert np.isnan(log.whole(log.schema(), Window()).truth).all()


def test_negatives_are_thinned_and_rates_go_back(tastes):
    log = Log(tastes)
    schema = log.schema()
    every, thin = log.whole(schema, Window()), log.whole(schema, Window(kept=0.2))
    assert thin.labels[:, 0].sum() == every.labels[:, 0].sum()
    assert (1 - thin.labels[:, 0]).sum() == pytest.approx(0.2 * (1 - every.labels[:, 0]).sum(), rel=0.05)
    assert recalibrated(thin.labels[:, 0].mean(), 0.2) == pytest.approx(every.labels[:, 0].mean(), rel=0.04)
    again, other = (log.whole(schema, Window(kept=0.2, seed=seed)) for seed in (0, 1))
    assert np.array_equal(again.time_us, thin.time_us)
    assert not np.array_equal(other.time_us[:100], thin.time_us[:100])


def test_parts_joined_are_the_whole(tastes):
    log = Log(tastes)
    schema = log.schema(4)
    whole = log.whole(schema, Window())
    cut = int(whole.time_us[9_000])
    both = joined([log.whole(schema, Window(0, cut)), log.whole(schema, Window(cut))])
    for mine, other in zip(whole, both, strict=True):
        for a, b in zip(mine, other, strict=True):
            assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize(
    ("window", "told"),
    [({"first_us": 5, "end_us": 3}, "before it begins"), ({"kept": 0.0}, "share above 0"), ({"kept": 1.5}, "share above 0")],
)
def test_windows_that_make_no_sense_are_refused(window, told):
    with pytest.raises(LogError, match=told):
        Window(**window)


def test_what_is_no_log_is_refused(tmp_path, tastes):
    with pytest.raises(LogError, match=r"holds no features\.parquet"):
        Log(tmp_path)
    (tmp_path / "features.parquet").write_text("x")
    with pytest.raises(LogError, match="no Parquet file"):
        Log(tmp_path)
    frame = pd.read_parquet(tastes / "features.parquet")
    frame.drop(columns="ad_shown").to_parquet(tmp_path / "features.parquet")
    with pytest.raises(LogError, match="misses the column 'ad_shown'"):
        Log(tmp_path)
    columns = {name: frame[name].to_numpy() for name in frame}
    write_log(tmp_path / "back", columns | {"time_us": frame.time_us.to_numpy()[::-1].copy()})
    with pytest.raises(LogError, match="not in the order of time"):
        list(Log(tmp_path / "back").chunks(["ad"]))
    write_log(tmp_path / "other", columns, np.zeros(len(frame)))
    write_log(tmp_path / "swapped", columns | {"slot": 1 - frame.slot.to_numpy()}, np.zeros(len(frame)))
    (tmp_path / "swapped" / "truth.parquet").replace(tmp_path / "other" / "truth.parquet")
    with pytest.raises(LogError, match="other impressions"):
        list(Log(tmp_path / "other").chunks(["ad"]))
    log = Log(tastes)
    for chain in (("converted",), ("clicked", "sold", "converted"), ("clicked", "bought"), ()):
        with pytest.raises(LogError):
            log.whole(log.schema(), Window(), chain)
    with pytest.raises(LogError, match="leave something"):
        log.split(0.9, 0.1)
    with pytest.raises(LogError, match="no impressions"):
        log.whole(log.schema(), dataclasses.replace(Window(), first_us=2**60))
