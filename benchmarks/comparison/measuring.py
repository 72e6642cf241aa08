"""Plays what a suite compares: rows are measured, kept in a store, and found again; by whatever crew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...agents.catalogue import describe, joined, make_policy
from ...agents.hindsight.static import Scale, best_constant
from ...agents.provenance.watching import UNKNOWN
from ...agents.splits import Split
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.scenario.tree import Scenario
from .store import Store, code_version, reads, source_digest
from .suite import Case, Knowing, Results, Run, Suite, Yardstick
from .workers import HERE, Crew


class Trial(NamedTuple):
    """What a search needs to know of a policy on a case."""

    score: float
    end: float  # where its curve ended; 0 in a suite without one


Outcome = Run | Trial | Yardstick | Knowing
OF_A_CASE = {"hindsight": "static hindsight", "knowing": "who knows more"}  # what such rows have as their policy


class Task(NamedTuple):
    """A row to be measured: a policy on a case, or one of `OF_A_CASE` where `policy` is None."""

    suite: Suite[Any]
    scenario: Scenario
    rivals: str  # the name of a mix
    case: Case
    policy: str | None  # as the catalogue reads it
    source: str  # digest of the policy's own sources
    kind: str  # run, trial, or one of `OF_A_CASE`

    @property
    def key(self) -> dict[str, Any]:
        """What its row is found by, as `store.KEY` has it."""
        return {
            "suite": self.suite.name,
            "code": code_version(),
            "scenario": self.scenario.digest,
            "rivals": self.rivals,
            "policy": OF_A_CASE[self.kind] if self.policy is None else self.policy,
            "source": self.source,
            "case": self.suite.named(self.case),
            "kind": self.kind,
        }


def attempt(suite: Suite[Any], scenario: Scenario, case: Case, policy: Any, mix: str) -> Trial:
    """One day with `policy` in the seat, only scored: bounds and the like may take a third of the time."""
    world = suite.world(scenario, case, policy, mix, judged=False)
    world.run()
    points = suite.points(world, case)
    return Trial(suite.score(world, case), float(points[-1]) if points.size else 0.0)


def play(suite: Suite[Any], scenario: Scenario, case: Case, policy: Any, mix: str) -> Run:
    """One day with `policy` in the seat."""
    world = suite.world(scenario, case, policy, mix, judged=True)
    begun = time.thread_time()
    world.run()
    seconds = time.thread_time() - begun
    numbers = {"score": suite.score(world, case), **suite.measure(world, case)}
    return Run(numbers, suite.points(world, case), seconds)


def hindsight(suite: Suite[Any], scenario: Scenario, case: Case, mix: str) -> Yardstick:
    """The best constant of one day, everybody else reacting."""
    constants = suite.constants(scenario, case)
    best = best_constant(constants, lambda policy: attempt(suite, scenario, case, policy, mix).score)
    return Yardstick(best.score, best.constant if isinstance(constants, Scale) else describe(suite.seat, best.policy))


@lru_cache(maxsize=256)
def _policy(seat: str, spec: str, source: str) -> Any:
    policy = make_policy(seat, spec)
    if source_digest(policy) != source:
        raise MarketError(f"{spec} has changed on disk while it was being compared; run again")
    return policy


class Measured(NamedTuple):
    """A row, and the files that it depends on beside the policy's sources."""

    outcome: Outcome
    read: dict[str, str]  # digests by path


def perform(task: Task) -> Measured:
    """Measures one row; in whatever process, with the same result."""
    if task.kind == "knowing":
        return Measured(Knowing(dict(task.suite.knowing(task.scenario, task.case))), {})
    if task.policy is None:
        return Measured(hindsight(task.suite, task.scenario, task.case, task.rivals), {})
    policy = _policy(task.suite.seat, task.policy, task.source)
    how = play if task.kind == "run" else attempt
    outcome = how(task.suite, task.scenario, task.case, policy, task.rivals)
    # A module that was first imported while it played may be newer than what the row is to be found by.
    late = {} if source_digest(policy) == task.source else {"": UNKNOWN}
    return Measured(outcome, reads(policy) | late)


def measure(tasks: Sequence[Task], store: Store, crew: Crew, advance: Callable[[], None]) -> list[Outcome]:
    """What every task gives, from the store where it is known; what is new is stored as soon as it is known."""
    _policy.cache_clear()  # a policy that was made for an earlier comparison may hold what a file held then
    found: dict[int, Outcome] = {}
    for place, task in enumerate(tasks):
        if (known := read(store, task)) is not None:
            found[place] = known
            advance()
    missing = [place for place in range(len(tasks)) if place not in found]
    for number, measured in crew.results(perform, [tasks[place] for place in missing]):
        found[missing[number]] = measured.outcome
        write(store, tasks[missing[number]], measured)
        advance()
    return [found[place] for place in range(len(tasks))]


def read(store: Store, task: Task) -> Outcome | None:
    """What the store has of a task, if it has its row."""
    row = store.find(task.key)
    if row is None:
        return None
    if task.kind == "run":
        curve, seconds = np.array(row.pop("curve"), np.float64), row.pop("seconds")
        return Run(row, curve, seconds)
    if task.kind == "knowing":
        return Knowing(row)
    return Yardstick(**row) if task.kind == "hindsight" else Trial(**row)


def write(store: Store, task: Task, measured: Measured) -> None:
    """Keeps the row of a task."""
    outcome = measured.outcome
    if isinstance(outcome, Run):
        row = {**outcome.numbers, "seconds": outcome.seconds, "curve": outcome.curve.tolist()}
    elif isinstance(outcome, Knowing):
        row = dict(outcome.numbers)
    else:
        row = outcome._asdict()
    store.add(task.key, row, measured.read)


class Entrants:
    """Who is compared: labels, the policies that stand behind each, and digests of their sources.

    Args:
        suite: what is compared.
        policies: what each label stands for, as the catalogue reads it, or several such texts joined by +, whose mean counts.

    Attributes:
        members: the texts of each label.
        sources: a digest for each text, of which none stands twice.
    """

    def __init__(self, suite: Suite[Any], policies: Mapping[str, str]) -> None:
        self.members = {label: joined(suite.seat, text) for label, text in policies.items()}
        self.sources = sources_of(suite, (spec for specs in self.members.values() for spec in specs))

    def means(self, array: Floats) -> dict[str, Floats]:
        """Of numbers (..., specs), in the order of `sources`, the mean (...) for each label."""
        place = {spec: n for n, spec in enumerate(self.sources)}
        return {label: array[..., [place[spec] for spec in specs]].mean(axis=-1) for label, specs in self.members.items()}


def sources_of(suite: Suite[Any], specs: Iterable[str]) -> dict[str, str]:
    """A digest of the sources of each policy, none of them twice."""
    return {spec: source_digest(make_policy(suite.seat, spec)) for spec in dict.fromkeys(specs)}


def run(
    suite: Suite[Any],
    scenario: Scenario,
    policies: Mapping[str, str],
    seeds: int,
    advance: Callable[[], None] = lambda: None,
    *,
    split: Split = "test",
    skip: int = 0,
    mix: str | None = None,
    crew: Crew = HERE,
    store: Store | None = None,
) -> Results:
    """Plays every policy on every case, and finds static hindsight. Calls `advance` after each of `steps(...)` steps.

    Args:
        suite: what is compared.
        scenario: the market.
        policies: what each label stands for, as the catalogue reads it, or several such texts joined by +, whose mean counts.
        seeds: how many days.
        split: whose days.
        skip: how many of them to leave out first.
        mix: who the rivals are, of the suite's mixes; None: its first.
        crew: who does the work; the results are the same.
        store: where rows are kept and looked for.

    Raises:
        MarketError: if the market has no case, a case has nothing to win, or there is no such mix.
    """
    mix = chosen_mix(suite, mix)
    chosen = suite.cases(scenario, seeds, split, skip)
    members = {label: joined(suite.seat, text) for label, text in policies.items()}
    everyone = [spec for specs in members.values() for spec in specs]
    by_spec, yardsticks, known = _measured(suite, scenario, "run", everyone, chosen, advance, mix, crew, store)
    runs = {
        label: [
            _average([run._replace(numbers={**run.numbers, **more.numbers}) for run in of_case])
            for more, *of_case in zip(known, *(by_spec[spec] for spec in specs), strict=True)
        ]
        for label, specs in members.items()
    }
    return Results(suite, scenario, mix, chosen, dict(policies), runs, yardsticks)


def chosen_mix(suite: Suite[Any], mix: str | None) -> str:
    """The mix, or the suite's first for None. Raises `MarketError` if it has no such mix."""
    if mix is None:
        return next(iter(suite.mixes))
    if mix not in suite.mixes:
        raise MarketError(f"there is no mix of rivals {mix!r}; known are {', '.join(suite.mixes)}")
    return mix


def _average(runs: Sequence[Run]) -> Run:
    """The mean of what several policies made of one case."""
    if len(runs) == 1:
        return runs[0]
    numbers = {name: float(np.mean([run.numbers[name] for run in runs])) for name in runs[0].numbers}
    return Run(numbers, np.mean([run.curve for run in runs], axis=0), float(np.mean([run.seconds for run in runs])))


def shares(
    suite: Suite[Any],
    scenario: Scenario,
    policies: Iterable[str],
    days: int,
    split: Split,
    advance: Callable[[], None] = lambda: None,
    *,
    mix: str | None = None,
    crew: Crew = HERE,
    store: Store | None = None,
) -> dict[str, float]:
    """The mean share of static hindsight of each policy, as the catalogue reads it, for a search; the rest as in `run`."""
    chosen, mix = suite.cases(scenario, days, split), chosen_mix(suite, mix)
    by_spec, yardsticks, _ = _measured(suite, scenario, "trial", policies, chosen, advance, mix, crew, store)
    best = np.array([y.score for y in yardsticks])
    return {spec: float(np.mean(np.array([trial.score for trial in trials]) / best)) for spec, trials in by_spec.items()}


def _measured(
    suite: Suite[Any], scenario: Scenario, kind: str, policies: Iterable[str], chosen: Sequence[Case],
    advance: Callable[[], None], mix: str, crew: Crew, store: Store | None,
) -> tuple[dict[str, list[Any]], list[Yardstick], list[Knowing]]:  # fmt: skip
    """The rows of each policy, static hindsight, and what is known where runs are compared, in the order of the cases."""
    sources, tasks = sources_of(suite, policies), []
    for case in chosen:
        tasks += [Task(suite, scenario, mix, case, spec, source, kind) for spec, source in sources.items()]
        tasks.append(Task(suite, scenario, mix, case, None, "", "hindsight"))
        if kind == "run" and suite.known:
            tasks.append(Task(suite, scenario, mix, case, None, "", "knowing"))
    outcomes = measure(tasks, Store() if store is None else store, crew, advance)
    rows: dict[tuple[str | None, str], list[Any]] = {}
    for task, outcome in zip(tasks, outcomes, strict=True):
        rows.setdefault((task.policy, task.kind), []).append(outcome)
    yardsticks: list[Yardstick] = rows[None, "hindsight"]
    for case, best in zip(chosen, yardsticks, strict=True):
        if not best.score > 0:
            raise MarketError(suite.worthless(scenario, case))
    known = rows.get((None, "knowing"), [Knowing({})] * len(chosen))
    return {spec: rows[spec, kind] for spec in sources}, yardsticks, known


def steps(suite: Suite[Any], policies: Mapping[str, str], seeds: int) -> int:
    """How many steps `run` takes."""
    of_a_case = len(OF_A_CASE) if suite.known else 1
    return (len({spec for text in policies.values() for spec in joined(suite.seat, text)}) + of_a_case) * seeds
