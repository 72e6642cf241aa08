"""What ads look like: how much of their level and tastes is written there, for whom it is the same, and who is told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adarena.agents.ranking.constant import Constant
from adarena.simulator import Logs, Scenario, ScenarioError, World
from adarena.simulator.market.market import build, of_run
from adarena.simulator.population.content import AdContent

TINY = Scenario.preset("tiny").override({"rates.ad_sigma": 1.0})
LOOKS = {"content": {"dimensions": 12}}
MANY = Scenario.preset("ranking-small").override({"demand.campaigns": 3000, "content": {"dimensions": 12, "correlation": 0.6}})


def levels(scenario: Scenario, seed: int) -> np.ndarray:
    """How popular ads are, log-odds."""
    market = of_run(scenario, build(scenario), seed)
    assert market.ads is not None
    return market.ads.bias + market.ads.vectors.astype(float) @ market.users.interests.mean(axis=0, dtype=float)


def explained(x: np.ndarray, y: np.ndarray) -> float:
    """R^2 of a regression, corrected for the numbers fitted."""
    x, y = np.column_stack([x, np.ones(len(x))]), y - y.mean()
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(1 - (left @ left / (len(y) - x.shape[1])) / y.var())


def test_a_regression_finds_the_level_as_far_as_it_is_written_there() -> None:
    content, level = World(MANY, seed=3).content, levels(MANY, 3)
    assert content is not None
    q = 0.6**2 / (1 - 0.6**2)
    for count in (1, 2, 3):
        x = np.concatenate([vectors.astype(float) for vectors in content[:count]], axis=1)
        rows = np.isfinite(x).all(axis=1)
        assert rows.mean() == pytest.approx((1.0, 0.9, 0.45)[count - 1], abs=0.03)
        assert explained(x[rows], level[rows]) == pytest.approx(count * q / (1 + count * q), abs=0.04)


def test_tastes_are_written_there_too() -> None:
    market = build(MANY)
    assert market.ads is not None
    assert market.content is not None
    for taste in market.ads.vectors.T.astype(float):
        # What a component shares with others, by verticals, is found besides.
        assert 0.33 < explained(market.content.text.astype(float), taste) < 0.75


def test_with_correlation_0_nothing_is_told_and_with_1_all() -> None:
    for correlation, low, high in ((0.0, -0.02, 0.02), (1.0, 0.999, 1.001)):
        scenario = MANY.override({"content.correlation": correlation})
        content = World(scenario, seed=1).content
        assert content is not None
        assert low < explained(content.text.astype(float), levels(scenario, 1)) < high


def test_embeddings_have_mean_square_length_1_and_lie_in_no_known_direction() -> None:
    content = World(MANY, seed=3).content
    assert content is not None
    assert (content.text.astype(float) ** 2).sum(axis=1).mean() == pytest.approx(1.0, abs=0.03)
    level = levels(MANY, 3)
    alone = [abs(np.corrcoef(column, level)[0, 1]) for column in content.text.T.astype(float)]
    assert max(alone) < 0.59  # of 0.6: it is spread over the dimensions


def test_new_ads_look_otherwise_in_each_run_and_others_the_same() -> None:
    one, two = (World(MANY, seed=seed).content for seed in (1, 2))
    market = build(MANY)
    assert one is not None
    assert two is not None
    assert market.ads is not None
    same = [(a == b).all(axis=1) | np.isnan(a).all(axis=1) for a, b in zip(one, two, strict=True)]
    for each, vectors in zip(same, one, strict=True):
        there = np.isfinite(vectors).all(axis=1)
        np.testing.assert_array_equal(each[there], ~market.ads.new[there])
    again = World(MANY, seed=1).content
    assert again is not None
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, again, strict=True))


@pytest.mark.parametrize("engine", ["compiled", "events"])
def test_a_market_is_the_same_with_and_without(engine: str) -> None:
    worlds = [World(scenario, seed=1, engine=engine) for scenario in (TINY, TINY.override(LOOKS))]
    for world in worlds:
        world.run(TINY.tick_us * 3)
    assert worlds[0].content is None
    np.testing.assert_array_equal(*(world.ledger.counts for world in worlds))


def test_the_journal_tells_it_beside_the_training_set(tmp_path: Path) -> None:
    scenario = TINY.override({"content": {"dimensions": 12, "video_share": 0.0}, "days": 1})
    world = World(scenario, seed=1, journal=Logs(tmp_path, features=True))
    world.run()
    table = pq.read_table(tmp_path / "content.parquet")
    assert world.content is not None
    assert table["ad"].to_pylist() == list(range(12))
    assert table["video"].null_count == 12
    for name in ("text", "image"):
        rows = [row if row is not None else [math.nan] * 12 for row in table[name].to_pylist()]
        np.testing.assert_array_equal(np.array(rows, np.float32), getattr(world.content, name))
    World(TINY, seed=1, journal=Logs(tmp_path, features=True)).run()
    assert not (tmp_path / "content.parquet").exists()


def test_whoever_ranks_is_told_and_the_truth_is_not_in_it() -> None:
    seen: list[AdContent | None] = []

    class Looks(Constant):
        def decide(self, view):
            seen.append(view.facts.content)
            return super().decide(view)

    World(TINY.override(LOOKS), {"ranking": Looks()}, seed=1).run(TINY.tick_us)
    assert seen[0] is not None
    assert not seen[0].text.flags.writeable


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"content.dimensions must be above users.dimensions, 8, not 8"):
        TINY.override({"content": {"dimensions": 8}})
    with pytest.raises(ScenarioError, match="content needs rates of kind interests, not uniform"):
        Scenario.preset("uniform").override({"content": {}})
