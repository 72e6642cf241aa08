"""What a training shows: what episodes measure meanwhile, and at its end the learning curve beside what it began from."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from rich.table import Table

from ..agents.learning.saved import load_agent
from ..agents.learning.validating import acting, episodes, episodes_of
from ..agents.splits import SPLITS
from .comparison import statistics
from .evaluating import told
from .output.tables import plain_table

MEASURED = ("spend", "revenue", "score")  # of what environments say of an episode, the first that one does
LATEST = 100  # episodes, as many as the mean return is of
POINTS = 8  # of a curve


class Beside:
    """The mean of what the latest episodes measured, as text."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LATEST)
        self.text = ""

    def ended(self, info: Mapping[str, Any]) -> None:
        """Takes the last info of an episode."""
        name = next((name for name in MEASURED if f"total_{name}" in info), None)
        if name is not None:
            self._latest.append(float(np.sum(info[f"total_{name}"])))
            self.text = f", {name} {np.mean(self._latest):,.1f}"


class Point(NamedTuple):
    """Of a learning curve."""

    steps: int
    mean_return: float  # of the latest episodes, on training days, with exploration


def curve(folder: Path) -> list[Point]:
    """The learning curve that a training has left in its folder, from its first step on, however often it was resumed."""
    found: dict[int, Point] = {}
    for path in sorted(folder.glob("progress-*.csv"), key=lambda path: int(path.stem.partition("-")[2])):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if mean_return := row.get("rollout/ep_rew_mean"):
                    steps = int(row["time/total_timesteps"])
                    found[steps] = Point(steps, float(mean_return))
    return [found[steps] for steps in sorted(found)]


def table(folder: Path, environment: str, settings: Mapping[str, Any]) -> Table:
    """The curve at a few points; then the agent and what it began from, actions of 0, on the same validation days."""
    points = curve(folder)
    chosen = sorted({round(place) for place in np.linspace(0, len(points) - 1, POINTS)}) if points else []
    shown = plain_table(
        "learning curve",
        caption="Above: on training days, with exploration. Below: without, the last agent and actions of 0 (the prior, or the "
        f"base that it was given) in the same {episodes_of(environment)} episodes on validation days.",
    )
    shown.add_column("steps", no_wrap=True)
    shown.add_column("mean return", justify="right", no_wrap=True)
    for place in chosen:
        shown.add_row(f"{points[place].steps:,}", f"{points[place].mean_return:,.3f}")
    shown.add_section()
    for label, estimate in validated(folder, environment, settings).items():
        shown.add_row(label, told(estimate))
    return shown


def validated(folder: Path, environment: str, settings: Mapping[str, Any]) -> dict[str, statistics.Estimate]:
    """The mean return of a trained agent and of actions of 0 on the same validation days."""
    first, count = SPLITS["validation"].start, episodes_of(environment)
    of_agent, of_none = (episodes(environment, settings, act, first, count) for act in (acting(load_agent(folder)), _nothing))
    groups = statistics.strata([0] * count)
    return {
        "agent": statistics.mean(of_agent, groups),
        "actions of 0": statistics.mean(of_none, groups),
        "agent minus that": statistics.mean(of_agent - of_none, groups),
    }


def _nothing(env: gym.Env[Any, Any], observation: Any) -> Any:
    return np.zeros(env.action_space.shape or (), np.float32)
