"""A seat, its policies and its suite that have nothing to do with ads: a level is set, and every day has its own best one."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from adarena.agents import catalogue
from adarena.agents.parameters import Uniform
from adarena.benchmarks import suites
from adarena.benchmarks.comparison.suite import Case, Metric, Panel, Shown, Suite, against_hindsight
from adarena.simulator import PolicyError, Scenario
from adarena.simulator.seats.seat import Policy

LEVELS = (0.1, 0.5, 0.9)
PEAK, NOISE = 0.6, 0.2  # where the best level of a day lies, and how far to either side


class LevelPolicy(Policy[Any, Any], ABC):
    """Base of what sits in the toy seat."""

    seat = "toy"

    @abstractmethod
    def level_of(self, day: int) -> float:
        """The level on a day, from 0 to 1."""


class LevelSeat:
    """As much of a seat as the catalogue looks at."""

    policy = LevelPolicy


@dataclass
class Steady(LevelPolicy):
    """The same level every day."""

    SPACE: ClassVar = {"level": Uniform(0.0, 1.0)}
    level: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 1:
            raise PolicyError(f"a level lies from 0 to 1, not at {self.level}")

    def level_of(self, day: int) -> float:
        return self.level


@dataclass
class Turning(LevelPolicy):
    """Low on even days, high on odd ones."""

    def level_of(self, day: int) -> float:
        return 0.3 + 0.4 * (day % 2)


class Hill:
    """A world of one day: what a level gains falls with its distance from the day's peak."""

    played = 0  # how many have been, in all

    def __init__(self, seed: int, unit: int, policy: LevelPolicy, mix: str) -> None:
        self.seed, self.unit, self.policy, self.mix = seed, unit, policy, mix
        self.gain = self.level = float("nan")

    def run(self) -> None:
        Hill.played += 1
        self.level = self.policy.level_of(self.seed)
        self.gain = gain(self.seed, self.unit, self.level) / (2 if self.mix == "crowd" else 1)


def gain(seed: int, unit: int, level: float) -> float:
    """What a level gains on a day, above 0."""
    peak = PEAK + NOISE * np.random.default_rng([seed, unit]).uniform(-1, 1)
    return float((1 + unit) * (2.0 - abs(level - peak)))


class Toy(Suite[Hill]):
    """Two metrics: the share of the best of three levels, and how high it stood."""

    seat, unit, eligible, constant = "toy", "hill", "hills", "level"
    mixes: ClassVar[Mapping[str, str]] = {"alone": "nobody else", "crowd": "a crowd that takes half"}
    numbers: ClassVar[Mapping[str, str]] = {"score": "what was gained", "height": "the level"}
    metrics = (
        against_hindsight("level")[0],
        Metric(
            "height", "mean", "height", None, Shown("height", ".2f"), Shown("height", ".2f"), "height: the level.",
            "Height", "How high the level stood.", Panel("Height", "level"),
        ),
    )  # fmt: skip
    scenario, compared, reference, tuned = "tiny", ("steady", "turning"), "steady", ("steady",)

    def units(self, scenario: Scenario) -> list[int]:
        return [0, 1]

    def world(self, scenario: Scenario, case: Case, policy: LevelPolicy, mix: str, judged: bool) -> Hill:
        return Hill(case.seed, case.unit, policy, mix)

    def score(self, world: Hill, case: Case) -> float:
        return world.gain

    def measure(self, world: Hill, case: Case) -> dict[str, float]:
        return {"height": world.level}

    def constants(self, scenario: Scenario, case: Case) -> Sequence[Steady]:
        return [Steady(level) for level in LEVELS]

    def worthless(self, scenario: Scenario, case: Case) -> str:
        return f"nothing can be gained on hill {case.unit}"


TOY = Toy()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The suite, registered as one of the package is: its seat's base class, its policies' folder, a line in `SUITES`."""
    agents, suite = ModuleType("adarena.agents.toy"), ModuleType("adarena.benchmarks.suites.toy")
    vars(agents).update(globals(), POLICIES={"steady": Steady, "turning": Turning})
    for kind in (Steady, Turning):  # of the package, and no user's own
        monkeypatch.setattr(kind, "__module__", "adarena.agents.toy")
    suite.TOY = TOY  # type: ignore[attr-defined]
    for name, module in (("adarena.agents.toy", agents), ("adarena.benchmarks.suites.toy", suite)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(catalogue.SEATS, "toy", LevelSeat)
    monkeypatch.setitem(suites.SUITES, "toy", "toy:TOY")
    return TOY
