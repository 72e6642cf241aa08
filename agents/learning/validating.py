"""Validation while training goes on: the agent without exploration on days to choose by, and the best so far kept.

Nothing of it enters the training, whose agent is the same with and without.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from ...simulator.core.arrays import Floats
from ...simulator.core.disk import write
from ...simulator.core.errors import PolicyError
from ..splits import SPLITS
from .learned import environment_class
from .network import network_of
from .saved import Actor, Card, save_agent

BEST, JUDGED = "best.zip", "validation.csv"

Acts = Callable[[gym.Env[Any, Any], Any], Any]  # makes an action of the environment and what is observed


class Judged(NamedTuple):
    """An agent on the way, judged."""

    steps: int  # trained
    mean_return: float  # of validation episodes, without exploration


def episodes_of(environment: str) -> int:
    """How many episodes it takes to judge an agent in an environment."""
    count: int = environment_class(environment, environment).episodes_to_judge
    return count


def episodes(environment: str, settings: Mapping[str, Any], act: Acts, first: int, count: int) -> Floats:
    """The returns of episodes, (count,), on days drawn from `count` of them, from `first` on; whoever acts meets the same."""
    env: gym.Env[Any, Any] = gym.make(environment, **{**settings, "days": [first, first + count]})
    found = []
    for episode in range(count):
        observation, _ = env.reset(seed=first if episode == 0 else None)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(env, observation))
            total, over = total + float(reward), terminated or truncated
        found.append(total)
    env.close()
    return np.array(found)


def acting(agent: Actor) -> Acts:
    """How an agent acts, which may see the rows of an observation one at a time."""
    return lambda env, observation: agent.act_on(observation.reshape(-1, agent.layers.inputs)).reshape(-1)


class Validation:
    """Judges a training's agent a number of times, evenly over its steps, and keeps the best in `best.zip`.

    Each time it plays the same episodes, as many as its environment says it takes (`episodes_to_judge`), on validation days.
    `validation.csv` holds what was found; a run that is resumed goes on with what was found up to its checkpoint.

    Args:
        out: folder of the training.
        card: of the agent that is trained.
        times: how often, the agent at the end among them.
        timesteps: those to train for.
        trained: steps so far.

    Raises:
        PolicyError: if the environment is none of this package, which has days to choose by.
    """

    def __init__(self, out: Path, card: Card, times: int, timesteps: int, trained: int) -> None:
        if not card.environment.startswith("AdArena/"):
            raise PolicyError(f"{card.environment} has no validation days: only environments of this package have")
        self._out, self._card, self._times, self._timesteps = out, card, times, timesteps
        self._episodes = episodes_of(card.environment)
        self.judged = [one for one in read(out) if one.steps <= trained]

    @property
    def best(self) -> Judged:
        """The first of the best so far."""
        return max(self.judged, key=lambda one: one.mean_return)

    def is_due(self, steps: int) -> bool:
        """Whether the next of the times has come, but for the last, which is when training ends."""
        before = self.judged[-1].steps if self.judged else 0
        passed, told = (min(n * self._times // self._timesteps, self._times - 1) for n in (steps, before))
        return passed > told

    def judge(self, model: Any) -> None:
        """Judges the agent as it is, unless it has been."""
        steps = int(model.num_timesteps)
        if self.judged and self.judged[-1].steps == steps:
            return
        card = dataclasses.replace(self._card, timesteps=steps)
        actor = Actor(card, network_of(model.policy))
        first = SPLITS["validation"].start
        returns = episodes(card.environment, card.environment_settings, acting(actor), first, self._episodes)
        self.judged.append(Judged(steps, float(returns.mean())))
        if self.best.steps == steps:
            save_agent(self._out / BEST, card, model.policy)
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        lines.writerows([Judged._fields, *((one.steps, repr(one.mean_return)) for one in self.judged)])
        write(self._out / JUDGED, table.getvalue(), PolicyError)


def read(out: Path) -> list[Judged]:
    """What validations of a training in a folder have found, in their order; empty without any."""
    path = out / JUDGED
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [Judged(int(row["steps"]), float(row["mean_return"])) for row in csv.DictReader(file)]
