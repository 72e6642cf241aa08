"""What a training shows: curves of a run that was resumed are one, and what episodes measure is the mean of the latest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adarena.agents.learning.saved import load_agent
from adarena.benchmarks.evaluating import acting, episodes
from adarena.benchmarks.learning_curve import LATEST, Beside, Point, curve

HEAD = "rollout/ep_rew_mean,time/total_timesteps\n"


def test_the_curve_of_a_run_that_was_resumed_is_one(tmp_path: Path) -> None:
    (tmp_path / "progress-0.csv").write_text(f"{HEAD},50\n0.25,100\n0.5,200\n")  # no episode is over at first
    (tmp_path / "progress-1000.csv").write_text(f"{HEAD}0.875,1100\n")
    (tmp_path / "progress-100.csv").write_text(f"{HEAD}0.75,200\n")  # went on from a checkpoint before the last row
    assert curve(tmp_path) == [Point(100, 0.25), Point(200, 0.75), Point(1100, 0.875)]
    assert curve(tmp_path / "nowhere") == []


def test_what_episodes_measure_is_the_mean_of_the_latest() -> None:
    beside = Beside()
    beside.ended({"value": 3.0})
    assert beside.text == ""
    for spent in range(LATEST + 50):
        beside.ended({"total_value": 1.0, "total_spend": np.array([spent, 1_000.0]), "total_revenue": 7.0})
    assert beside.text == f", spend {1_000 + np.arange(50, LATEST + 50).mean():,.1f}"
    beside.ended({"total_revenue": 7.0})
    assert ", revenue " in beside.text


def test_episodes_are_the_same_for_whoever_acts() -> None:
    agent, days = load_agent("zoo:bidding-ppo"), list[int]()

    def noted(env, seen):
        days.append(env.unwrapped.world.seed)
        return acting(agent)(env, seen)

    first = episodes("AdArena/Bidding-v0", {"scenario": "tiny"}, noted, 800_000, 3)
    assert set(days) <= {800_000, 800_001, 800_002}
    assert np.array_equal(first, episodes("AdArena/Bidding-v0", {"scenario": "tiny"}, acting(agent), 800_000, 3))
    still = episodes("AdArena/Bidding-v0", {"scenario": "tiny"}, lambda env, seen: np.zeros(1, np.float32), 800_000, 3)
    assert first.tolist() != pytest.approx(still.tolist())
