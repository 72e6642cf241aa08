"""What a comparison must know of a seat: metrics, cases, how a world is made, what is measured, which constants there are.

A suite is the only place that names a metric. Everything else in this folder works for any of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from ...agents.hindsight.static import Scale
from ...agents.splits import Split, checked
from ...agents.splits import seeds as seeds_of
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.numeric import whole
from ...simulator.scenario.tree import Scenario
from ...simulator.seats import check_seat

How = Literal["mean", "iqm", "ratio", "difference"]

HINDSIGHT = "hindsight"  # what a number may be held against besides other numbers: the score of the case's best constant


class Case(NamedTuple):
    """One day seen from one unit of the seat, such as a campaign."""

    seed: int
    unit: int


class Shown(NamedTuple):
    """A column: its heading, how its numbers are written, and whether intervals stand beside them."""

    head: str
    form: str = ".3f"
    interval: bool = False


class Panel(NamedTuple):
    """A picture of a metric, a dot for each case."""

    title: str
    axis: str
    share: bool = False  # written in per cent, from 0 up


class Metric(NamedTuple):
    """What is made of the numbers of a policy's runs.

    `how` is the mean over cases of `of` (by `over`, if that is given), their interquartile mean, the mean of their paired
    difference from the reference, or the ratio of the sums of `of` and `over`.
    """

    name: str  # in `summary.json`
    how: How
    of: str  # a number of the suite's
    over: str | None = None  # another, or `HINDSIGHT`
    table: Shown | None = None  # its column in a terminal
    page: Shown | None = None  # its column in the report
    note: str = ""  # a sentence under the table in a terminal
    term: str = ""  # what the report explains it as
    says: str = ""  # and in which words
    panel: Panel | None = None


class Curve(NamedTuple):
    """A picture of how days went: a line for each policy, from the day's start to its end, beside what is ideal."""

    name: str  # of its file
    axis: str
    ideal: str  # what the ideal line is called
    says: str  # a sentence under the picture
    share: bool = False  # written in per cent, from 0 to 1


class Frontier(NamedTuple):
    """A picture of what policies give up of one thing for another: a dot for each, at its means."""

    name: str  # of its file
    across: str  # a metric
    up: str  # another
    says: str  # a sentence under the picture


class Detail(NamedTuple):
    """What the report tells of each unit by itself: the mean of a number over its cases, or the ratio of two sums."""

    head: str
    form: str
    of: str  # a number of the suite's
    over: str | None = None  # another


class Run(NamedTuple):
    """What a policy made of a case."""

    numbers: dict[str, float]  # as the suite names them
    curve: Floats  # (points,), empty in a suite without a `Curve`
    seconds: float  # of the whole market, processor time


class Yardstick(NamedTuple):
    """Static hindsight of a case."""

    score: float
    constant: float | str  # the number on a scale, or what the catalogue reads


class Knowing(NamedTuple):
    """What those made of a case who know more of it than policies do."""

    numbers: dict[str, float]  # as the suite names them


class Playable(Protocol):
    """A world of any kind."""

    def run(self) -> None:
        """Plays it to its end."""


W = TypeVar("W", bound=Playable)


class Suite(ABC, Generic[W]):
    """What is compared in one seat. The first metric is what policies are ranked by."""

    seat: ClassVar[str]  # as `agents.catalogue` knows it
    name: ClassVar[str]  # on the command line: that of the seat, unless it has another
    unit: ClassVar[str]  # what the seat is handed round over, e.g. campaign
    eligible: ClassVar[str]  # which of them, in a sentence: campaigns whose budgets bind
    constant: ClassVar[str]  # what static hindsight searches, e.g. multiplier
    yardstick: ClassVar[str] = "static hindsight"  # what it is called, where one who knows the truth stands in its place
    mixes: ClassVar[Mapping[str, str]]  # who may have the other units or seats: names of mixes and what they mean
    numbers: ClassVar[Mapping[str, str]]  # what is measured of a run, and what it means; `score` is among them
    known: ClassVar[tuple[str, ...]] = ()  # of those, what `knowing` says of a case, whoever has played it
    metrics: ClassVar[tuple[Metric, ...]]
    curve: ClassVar[Curve | None] = None
    frontier: ClassVar[Frontier | None] = None
    details: ClassVar[tuple[Detail, ...]] = ()  # of each unit by itself

    def __init_subclass__(cls) -> None:
        cls.name = vars(cls).get("name", cls.seat)

    # What the commands take if nothing else is said.
    scenario: ClassVar[str]
    compared: ClassVar[tuple[str, ...]]
    reference: ClassVar[str]
    tuned: ClassVar[tuple[str, ...]]

    def units(self, scenario: Scenario) -> Sequence[int]:
        """Those that are handed round, in turn by day: the one market. Raises `MarketError` if there are none."""
        check_seat(self.seat, scenario)
        return [0]

    @abstractmethod
    def world(self, scenario: Scenario, case: Case, policy: Any, mix: str, judged: bool) -> W:
        """A fresh world with the policy in the seat; `judged`: it is to be measured, and not only scored."""

    @abstractmethod
    def score(self, world: W, case: Case) -> float:
        """What the finished run is worth; the more the better."""

    @abstractmethod
    def measure(self, world: W, case: Case) -> Mapping[str, float]:
        """All `numbers` but the score and those that are `known`, of a finished run that is judged."""

    def knowing(self, scenario: Scenario, case: Case) -> Mapping[str, float]:
        """The numbers that are `known` of a case; found once, and told with every run of it."""
        return {}

    @abstractmethod
    def constants(self, scenario: Scenario, case: Case) -> Scale[Any] | Sequence[Any]:
        """The constant policies that static hindsight searches."""

    @abstractmethod
    def worthless(self, scenario: Scenario, case: Case) -> str:
        """The sentence when no constant brings anything, so that there is no yardstick."""

    def points(self, world: W, case: Case) -> Floats:
        """The `curve` of a finished run, (ticks + 1,)."""
        return np.zeros(0)

    def ideal(self, scenario: Scenario) -> Floats:
        """What the `curve` is held against, (ticks + 1,)."""
        return np.zeros(0)

    def label(self, scenario: Scenario, unit: int) -> str:
        """What a unit is called; nothing, where a market is the one there is."""
        return ""

    def lacking(self, scenario: Scenario) -> str:
        """Which yardstick besides static hindsight a market does not have, and why: a sentence; nothing where it has all."""
        return ""

    def measured(self, scenario: Scenario) -> tuple[Metric, ...]:
        """The metrics that a market has."""
        return self.metrics

    def shown(self, results: Results) -> tuple[Metric, ...]:
        """The metrics that concern these results, in the order of columns; the first is always the score's."""
        return self.measured(results.scenario)

    def cases(self, scenario: Scenario, seeds: int, split: Split = "test", skip: int = 0) -> list[Case]:
        """The cases of a comparison: the first `seeds` days of a split after `skip` others, the units in turn.

        Raises `MarketError` if there are not so many.
        """
        count, before = whole(seeds), whole(skip)
        if count is None or before is None or count < 1 or before < 0:
            raise MarketError(f"a comparison has days, of which it skips none or some: not {seeds!r} after {skip!r}")
        held = self.units(scenario)
        days = list(enumerate(seeds_of(split, before + count)))[before:]
        return [Case(checked(seed, split), held[i % len(held)]) for i, seed in days]

    def named(self, case: Case) -> dict[str, int]:
        """A case as files have it, e.g. seed and campaign."""
        return {"seed": case.seed, self.unit: case.unit}


class Results(NamedTuple):
    """Everything a suite measured; `runs[label]` and `yardsticks` go by `cases`."""

    suite: Suite[Any]
    scenario: Scenario
    rivals: str
    cases: list[Case]
    policies: dict[str, str]  # what each label stands for
    runs: dict[str, list[Run]]
    yardsticks: list[Yardstick]

    @property
    def played(self) -> str:
        """How much was played, in words: 20 days, 8 runs of 14 days."""
        count, days = len(self.cases), self.scenario.days
        return f"{count} days" if days == 1 else f"{count} runs of {days} days"

    def numbers(self, label: str, name: str) -> Floats:
        """One number of each case, (cases,): of a policy's runs, or `HINDSIGHT`."""
        if name == HINDSIGHT:
            return np.array([best.score for best in self.yardsticks])
        return np.array([float(run.numbers[name]) for run in self.runs[label]])

    def by_case(self, label: str, metric: Metric) -> Floats:
        """What a metric is of each case, (cases,)."""
        values = self.numbers(label, metric.of)
        return values if metric.over is None else values / self.numbers(label, metric.over)


def against_hindsight(
    constant: str, word: str = "score", meaning: str = "score", aside: str = "", rivals: bool = True
) -> tuple[Metric, Metric, Metric]:
    """The three metrics with which every suite begins: the score over that of the best constant, in the ways it is told.

    Args:
        constant: what is constant, e.g. multiplier.
        word: what the score is called.
        meaning: that, and what it is if that does not go without saying.
        aside: what the report adds to `score`, from a comma on.
        rivals: whether there are any, who react.
    """
    says = (
        f"The best constant {constant} of that very day, found by playing the day again and again"
        f"{' with the rivals reacting' * rivals}: that with the best score{aside}. It knows the future but cannot adapt, so "
        "it is a yardstick and no bound: an adaptive policy may exceed it."
    )
    first = Metric(
        "share_of_static_hindsight", "mean", "score", HINDSIGHT,
        Shown("of hindsight", interval=True), Shown("of static hindsight", interval=True),
        f"of hindsight: mean of the days' shares, {meaning} over that of the day's best constant {constant}"
        f"{', rivals reacting' * rivals} (adaptive policies may exceed it).",
        "Static hindsight", says,
        Panel(
            f"{word.capitalize()} as a share of static hindsight", f"share of the day's best constant {constant} (red)", True
        ),
    )  # fmt: skip
    middle = Metric(
        "iqm_share_of_static_hindsight", "iqm", "score", HINDSIGHT, Shown("IQM"), Shown("IQM", interval=True),
        "IQM: the same, of the middle half of the days.",
        "Interquartile mean (IQM)", "The mean of the middle half of the days, less swayed by a single wild one.",
    )  # fmt: skip
    difference = Metric(
        "difference_to_reference", "difference", "score", HINDSIGHT,
        Shown("minus", interval=True), Shown("minus", interval=True), "Differences are paired by common random numbers.",
        "Paired difference",
        "The share of static hindsight minus that of the reference on the same days, with the same users, requests and luck "
        "(common random numbers).",
    )  # fmt: skip
    return first, middle, difference
