"""Features: what they are made of, as of when, and that a leak is found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rank_logs import taste_log, write_log

from adarena.agents.rankers import leakage
from adarena.agents.rankers.features import FEATURES, Feature, Schema, chosen, difference
from adarena.agents.rankers.logs import Log
from adarena.simulator import Scenario, World
from adarena.simulator.books.journal import Logs
from adarena.simulator.core.errors import LogError

DICE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    """A journal of the simulator's own."""
    folder = tmp_path_factory.mktemp("market")
    World(Scenario.preset("tiny"), journal=Logs(folder, features=True)).run()
    return folder


def test_every_feature_stays_in_its_vocabulary():
    """Whatever the counters have grown to."""
    columns = {name: DICE.integers(0, 2**40, 1000) for feature in FEATURES for name in feature.columns}
    columns |= {f.columns[0]: DICE.integers(-1, f.size - 1, 1000) for f in FEATURES if f.kind == "category"}
    columns |= {"user_clicked": columns["user_shown"] // 2, "ad_clicked": columns["ad_shown"]}
    ids = Schema(FEATURES).encoded(columns)
    assert ids.dtype == np.int32
    assert (ids >= 0).all()
    assert (ids.max(axis=0) < [f.size for f in FEATURES]).all()


def test_a_category_beyond_the_vocabulary_is_refused():
    with pytest.raises(LogError, match="knows values up to 23, and the log has 24"):
        chosen(["hour"])[0].encoded({"hour": np.array([3, 24])})


@pytest.mark.parametrize("name", ["user_shown", "user_idle", "user_share"])
def test_buckets_rise_with_what_they_count(name):
    feature = chosen([name])[0]
    columns = {"user_shown": np.arange(500), "user_idle_us": np.arange(-1, 499) * 1_000_000}
    if name == "user_share":
        columns = {"user_clicked": np.arange(500), "user_shown": np.full(500, 500)}
    found = feature.encoded(columns)
    assert (np.diff(found) >= 0).all()
    assert np.unique(found).size > 8


def test_the_hash_changes_with_every_part_of_the_list():
    base = Schema(chosen(["user", "ad", "vertical"]), 5)
    user = base.features[0]
    others = [
        dataclasses.replace(base, features=(dataclasses.replace(user, **change), *base.features[1:]))
        for change in ({"name": "u"}, {"kind": "category"}, {"columns": ("segment",)}, {"size": 7})
    ]
    others += [dataclasses.replace(base, length=6), dataclasses.replace(base, remembered=("ad",)), Schema(base.features[:-1])]
    assert len({schema.hash for schema in (base, *others)}) == len(others) + 1
    assert all(difference(base, other) for other in others)
    assert difference(base, base) == ""
    again = Schema.from_dict(json.loads(json.dumps(base.to_dict())))
    assert again == base
    assert again.hash == base.hash


def test_lists_that_make_no_sense_are_refused():
    user, ad = chosen(["user", "ad"])
    for features, length in (((ad, user), 0), ((user, user), 0), ((), 0), ((user,), 3)):
        with pytest.raises(LogError):
            Schema(features, length)
    with pytest.raises(LogError, match="no feature 'usr'"):
        chosen(["usr"])


def test_a_log_is_read_by_the_features_of_which_it_says_something(market):
    names = [feature.name for feature in Log(market).schema().features]
    assert {"user", "segment", "hour", "ad", "campaign", "ad_share"} <= set(names)
    assert not {"surface", "query", "creative", "format"} & set(names)


def test_counters_of_the_market_are_of_what_came_before_the_request(market):
    assert leakage.miscounted(Log(market)) == dict.fromkeys(("user_shown", "user_clicked", "ad_shown", "ad_clicked"), 0)


def test_the_recount_is_that_of_a_loop(tmp_path):
    log = Log(taste_log(tmp_path, 900))
    frame = pd.read_parquet(tmp_path / "features.parquet")
    seen: dict[tuple[str, int], list[int]] = {}
    wrong = dict.fromkeys(("user_shown", "user_clicked", "ad_shown", "ad_clicked"), 0)
    for _, rows in frame.groupby("request"):
        for row in rows.itertuples():
            for key in ("user", "ad"):
                shown, clicked = seen.get((key, getattr(row, key)), [0, 0])
                wrong[f"{key}_shown"] += shown > 0
                wrong[f"{key}_clicked"] += clicked > 0
        for row in rows.itertuples():
            for key in ("user", "ad"):
                held = seen.setdefault((key, getattr(row, key)), [0, 0])
                held[0] += 1
                held[1] += row.clicked
    assert leakage.miscounted(log) == wrong  # the log's own counters are all 0
    assert wrong["user_shown"] > 700


def test_no_feature_of_the_market_leaks(market):
    log = Log(market)
    assert [leak for leak in leakage.leaks(log, log.schema()) if leak.found] == []


@pytest.mark.parametrize("planted", ["own click", "clicks of the request"])
def test_a_leak_that_is_planted_is_found(tmp_path, planted):
    """A counter that has this impression's click in it, or those of the whole request, as of a pipeline that joins too late."""
    taste_log(tmp_path)
    frame = pd.read_parquet(tmp_path / "features.parquet")
    truth = pd.read_parquet(tmp_path / "truth.parquet")["true_rate"]
    before = frame.groupby("ad")["clicked"].cumsum() - frame["clicked"]
    ahead = frame["clicked"] if planted == "own click" else frame.groupby("request")["clicked"].transform("sum")
    columns = {name: frame[name].to_numpy() for name in frame}
    columns |= {"ad_shown": frame.groupby("ad").cumcount().to_numpy(), "ad_clicked": before.to_numpy()}
    for leak, folder in ((0, tmp_path / "honest"), (ahead.to_numpy().astype(int), tmp_path / "leaking")):
        log = Log(write_log(folder, columns | {"user_shown": leak + 0 * before.to_numpy()}, truth))
        schema = Schema((*chosen(["user", "user_shown", "ad", "ad_share"]),))
        found = [each.feature for each in leakage.leaks(log, schema) if each.found]
        assert found == (["user_shown"] if np.any(leak) else [])


def test_a_feature_of_the_users_own_making_is_a_line():
    slot = Feature("slot", "category", ("slot",), "request", 66)
    assert Schema((slot,)).encoded({"slot": np.array([0, 2])}).tolist() == [[1], [3]]
