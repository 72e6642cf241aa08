"""`adarena rank`: what is told of a log, how a training is stopped and goes on, and what rankers are held against."""

from __future__ import annotations

import json
import math
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from notices import besides_compiling
from rank_logs import taste_log, write_log

from adarena.__main__ import main
from adarena.agents.rankers.logs import Log
from adarena.agents.rankers.training import train as train_ranker
from adarena.benchmarks.rankers import commands, exploring


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs `adarena rank ...` in a folder of its own; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["adarena", "rank", *words])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, besides_compiling(printed.err)

    return run


def told_late(folder, n: int = 24_000):
    """Tastes, with a conversion for every second click that is reported after a second, or after the log."""
    taste_log(folder, n)
    frame = pd.read_parquet(folder / "features.parquet")
    columns = {name: frame[name].to_numpy() for name in frame}
    number = np.cumsum(frame.clicked)
    converted = frame.clicked & (number % 2 == 0)
    delay = np.where(number % 4 == 0, 90 * 1_000_000, 10**15)
    rates = pd.read_parquet(folder / "truth.parquet")["true_rate"].to_numpy()
    report = np.where(converted, frame.time_us + delay, -1)
    more = {"converted": converted, "report_us": report, "believed_rate": 0.5 * rates}
    return write_log(folder, columns | more, rates)


def test_what_is_told_of_a_log_is_in_it(tmp_path):
    log = Log(told_late(tmp_path))
    frame = pd.read_parquet(tmp_path / "features.parquet")
    found = exploring.explore(log, log.schema())
    assert (found.users, found.ads, found.impressions) == (60, 20, len(frame))
    assert found.shown.sum() == len(frame)
    assert np.ptp(found.shown) <= 2
    assert found.clicks.sum() == frame.clicked.sum()
    known = (frame.report_us >= 0) & (frame.report_us <= frame.time_us.iloc[-1])
    assert found.conversions.sum() == known.sum() > 0
    for slot in (0, 1):
        mine = frame.slot == slot
        assert found.slot_clicks[slot] == frame.clicked[mine].sum()
        assert found.slot_believed[slot] == pytest.approx(found.slot_truth[slot] / 2, rel=1e-5)
    at = np.searchsorted(exploring.DELAYS_S, 90.0)
    assert found.delay_known[at - 1] == 0
    assert found.delay_known[at] == 1
    assert found.delay_all[at] == pytest.approx(0.5, abs=0.01)  # the other half is reported after thirty years
    facts = {each.name: each for each in found.features}
    assert facts["vertical"].values == 3
    assert facts["segment"].top == pytest.approx((frame.segment.value_counts() / len(frame)).max())
    assert facts["user"].stability < 0.3
    assert facts["ad"].alone > facts["hour"].alone + 0.05
    assert not any(leak.found for leak in found.leaks)
    assert found.miscounted["user_shown"] > 0.9 * len(frame)  # this log's counters are all 0


def test_a_value_that_is_new_at_the_end_is_unseen_and_moves_the_index(tmp_path):
    n = 12_000
    last = np.arange(n) >= n * 11 // 12
    log = Log(taste_log(tmp_path, n, surface=np.where(last, 5, np.arange(n) % 2)))
    found = exploring.explore(log, log.schema())
    facts = {each.name: each for each in found.features}
    assert facts["surface"].unseen == 1.0
    assert facts["surface"].stability > 5
    assert facts["vertical"].unseen == 0.0


def test_eda_prints_and_draws(command, tmp_path):
    told_late(tmp_path / "log", 6_000)
    status, out, _ = command("eda", "--log", "log", "--out", "here")
    assert status == 0
    for text in (
        "6,000 impressions, 60 users, 20 ads",
        "user_shown, recounted",
        "rows differ",
        "By slot",
        "figure: here/eda.png",
    ):
        assert text in out
    found = json.loads((tmp_path / "here" / "eda.json").read_text())
    assert found["impressions"] == 6_000
    assert {leak["feature"] for leak in found["leaks"]} >= {"user", "ad"}
    (tmp_path / "log" / "truth.parquet").unlink()
    status, out, _ = command("eda", "--log", "log", "--out", "here")
    assert status == 0
    assert json.loads((tmp_path / "here" / "eda.json").read_text())["slot_truth"] == [None, None]


def test_train_and_eval_tell_the_truth_beside(command, tmp_path):
    told_late(tmp_path / "log")
    for name, *more in (("fm", "k=4"), ("lr",), ("two-tower", "chain=clicked")):
        words = ("train", name, "--log", "log", "--out", name, "--set", "batch=256", "learning_rate=0.01", *more)
        status, out, errors = command(*words)
        assert (status, errors) == (0, "")
        assert f"judge it: adarena rank eval {name} --log log" in out
    words = ("--calibrate", "platt", "--by", "segment")
    status, out, _ = command("eval", "fm", "lr", "two-tower", "--log", "log", "--out", "here", *words)
    assert status == 0
    for text in ("the truth", "what the market believed", "Ceiling", "most clicked ads", "figure: here/eval.png"):
        assert text in out
    found = json.loads((tmp_path / "here" / "eval.json").read_text())
    rows = {row["name"]: row for row in found["judged"]}
    assert set(rows) == {"one rate for all", "what the market believed", "fm", "lr", "the truth"}
    aucs = {name: row["clicks"]["auc"] for name, row in rows.items()}
    assert aucs["the truth"] > aucs["fm"] > aucs["lr"] > aucs["one rate for all"] == 0.5
    assert rows["what the market believed"]["clicks"]["pcoc"] == pytest.approx(0.5, abs=0.05)
    assert found["ceiling"]["auc"] == pytest.approx(aucs["the truth"], abs=0.03)
    assert rows["fm"]["conversions"]["pcoc"] < 0.8  # half of the conversions come long after the log
    assert math.isclose(rows["fm"]["clicks"]["pcoc"], 1.0, abs_tol=0.15)
    assert set(found["recall"]) == {"two-tower", "most clicked ads"}
    assert found["recall"]["two-tower"] > 0.5


def test_trees_are_grown_where_they_are_wanted(command, tmp_path, monkeypatch):
    pytest.importorskip("lightgbm", reason="LightGBM is not installed: pip install 'adarena[trees]'")
    taste_log(tmp_path / "log", 12_000)
    command("train", "lr", "--log", "log", "--out", "lr", "--set", "batch=256", "learning_rate=0.01")
    words = ("eval", "lr", "--log", "log", "--trees")
    assert "boosted trees" in command(*words)[1]
    rows = json.loads((tmp_path / "out" / "rank" / "eval.json").read_text())["judged"]
    quality = {row["name"]: row["clicks"] for row in rows}
    assert quality["the truth"]["auc"] > quality["boosted trees"]["auc"] > 0.6
    assert quality["boosted trees"]["pcoc"] == pytest.approx(1.0, abs=0.12)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    status, _, errors = command(*words)
    assert (status, "adarena[trees]" in errors) == (2, True)


def test_new_ads_are_judged_apart_and_labelled(command, tmp_path):
    taste_log(tmp_path / "log", 12_000, ads=150, looks=0.4)
    command("train", "fm", "--log", "log", "--out", "fm", "--set", "batch=256", "learning_rate=0.01", "unseen=0.3")
    status, out, _ = command("eval", "fm", "--log", "log", "--out", "here")
    assert status == 0
    assert "Ads that were left out of training" in out
    found = json.loads((tmp_path / "here" / "eval.json").read_text())["unseen"]["fm"]
    assert found["auc"] < found["truth_auc"]
    assert 200 < found["impressions"] < 600
    words = ("--first", "10", "--step", "10", "--rounds", "3", "--seeds", "3", "--impressions", "40")
    status, out, errors = command("label", "--log", "log", "--out", "here", *words)
    assert (status, errors) == (0, "")
    for text in ("150 ads, a label is 40 impressions, 3 seeds", "rate, uncertainty", "figure: here/label.png"):
        assert text in out
    told = json.loads((tmp_path / "here" / "label.json").read_text())
    assert told["labels"] == [10, 20, 30, 40]
    aucs = np.array(told["curves"]["random"]["auc"])
    assert aucs.shape == (3, 4)
    assert np.array_equal(aucs[:, 0], np.array(told["curves"]["uncertainty"]["auc"])[:, 0])


def test_a_training_that_is_stopped_names_the_command_that_goes_on(command, tmp_path, monkeypatch):
    told_late(tmp_path / "log", 8_000)
    words = ("train", "fm", "--log", "log", "--out", "run", "--set", "batch=128", "epochs=3")

    def stopping(*arguments):
        *some, advance = arguments

        def told(rows, loss):
            advance(rows, loss)
            if rows > 7_000:
                raise KeyboardInterrupt

        return train_ranker(*some, told)

    monkeypatch.setattr(commands, "train", stopping)
    status, _, errors = command(*words)
    assert status == 130
    again = errors.strip().split("go on with: ")[1]
    assert again == shlex.join(["adarena", "rank", *words, "--resume"])
    monkeypatch.setattr(commands, "train", train_ranker)
    status, _, errors = command(*words)
    assert status == 2
    assert "holds a run" in errors
    status, out, _ = command(*shlex.split(again)[2:])
    assert status == 0
    assert "trained on 19," in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("eda", "--log", "nowhere"), "holds no features.parquet"),
        (("train", "fmm", "--log", "log"), "did you mean 'fm'"),
        (("train", "fm", "--log", "log", "--set", "kk=3"), "no setting 'kk'"),
        (("train", "fm", "--log", "log", "--set", "batch=0"), "whole number from 1 up as batch"),
        (("train", "fm", "--log", "log", "--resume"), "nothing to resume"),
        (("eval", "nowhere", "--log", "log"), "there is no ranker"),
        (("eval", "--log", "log"), "at least one ranker"),
        (("eval", "x", "--log", "log", "--by", "segment"), "--by says"),
        (("label", "--log", "log"), "does not tell what ads look like"),
        (("label", "--log", "log", "--apart", "1"), "above 0 and below 1 is kept apart, not 1.0"),
        (("label", "--log", "log", "--seeds", "1"), "two seeds at least"),
        (("label", "--log", "log", "--step", "0"), "step must be 1 at least, not 0"),
    ],
)
def test_mistakes_cost_a_sentence(command, tmp_path, words, told):
    taste_log(tmp_path / "log", 2_000)
    status, _, errors = command(*words)
    assert status == 2
    assert told in errors
    assert errors.count("\n") == 1
