"""The bidding suite: one campaign's bid seat is handed to each policy in turn, on the same days, against the same rivals.

A case is a day (a seed) and a campaign; the seat rotates over the campaigns whose budgets bind. Rivals are a mixture of
classics: half PID, a quarter their multiplier of an earlier day, a quarter mirror descent. Yardsticks: the best constant
multiplier of that very day (static hindsight), and the clairvoyant bound given the rivals' bids of the policy's own run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...agents.bidding.rivals import contested, rivals
from ...agents.catalogue import joined, make_bidder
from ...agents.hindsight.bounds import clairvoyant_bound, frontier_bound
from ...agents.hindsight.scores import day_scores
from ...agents.hindsight.static import static_hindsight
from ...agents.objectives import TARGETS
from ...agents.provenance.watching import UNKNOWN
from ...agents.splits import Split, checked
from ...agents.splits import seeds as seeds_of
from ...simulator.core.arrays import Floats
from ...simulator.core.errors import MarketError
from ...simulator.core.numeric import whole
from ...simulator.market.market import build
from ...simulator.scenario.demand import Objective
from ...simulator.scenario.tree import Scenario
from ...simulator.seats.bidding.decisions import BidPolicy
from ...simulator.world import World
from ..comparison.store import Store, code_version, reads, source_digest
from ..comparison.workers import results


class Case(NamedTuple):
    """One day seen from one campaign."""

    seed: int
    campaign: int


class Run(NamedTuple):
    """What a policy made of a case. Money in currency."""

    value: float  # true expected value of the impressions seen
    spend: float
    budget: float
    pacing_error: float  # mean distance of cumulative spend from the forecast traffic curve, as a share of the budget
    conversions: float  # realised, of those that are attributed
    cpa_excess: float  # share of spend above what the target allows for the expected conversions; 0 without a target
    score: float  # of the campaign's objective, see `agents.objectives`
    clairvoyant: float  # bound on value, given the rivals' bids of this run
    frontier: float  # bound on score, given the same
    seconds: float  # of the whole market, processor time
    spend_curve: Floats  # (ticks + 1,) cumulative, as a share of the budget


class Trial(NamedTuple):
    """What a search needs to know of a policy on a case."""

    score: float  # as that of `Run`


class Yardstick(NamedTuple):
    """Static hindsight of a case."""

    score: float  # as that of `Run`
    multiplier: float


Outcome = Run | Trial | Yardstick
ROWS: dict[str, type[Outcome]] = {"runs": Run, "trials": Trial, "hindsight": Yardstick}  # what each table of a store holds


class Task(NamedTuple):
    """A row to be measured: a policy on a case, or static hindsight of the case where `policy` is None."""

    scenario: Scenario
    rivals: str  # the name of a mix
    case: Case
    policy: str | None  # as the catalogue reads it
    source: str  # digest of the policy's own sources
    table: str  # of `ROWS`

    @property
    def key(self) -> tuple[Any, ...]:
        """What its row is found by, in the order of `store.KEY`."""
        policy = "static hindsight" if self.policy is None else self.policy
        return (code_version(), self.scenario.digest, self.rivals, policy, self.source, *self.case)


class Results(NamedTuple):
    """Everything the suite measured; `runs[label]` and `yardsticks` go by `cases`."""

    scenario: Scenario
    rivals: str
    cases: list[Case]
    policies: dict[str, str]  # what each label stands for
    runs: dict[str, list[Run]]
    yardsticks: list[Yardstick]

    @property
    def objectives(self) -> set[Objective]:
        """Those of the campaigns in the seat."""
        listed = build(self.scenario).campaigns.listed
        return {listed[case.campaign].objective for case in self.cases}

    @property
    def scored(self) -> bool:
        """Whether a campaign in the seat wants anything else than value, so that score is not just value."""
        return self.objectives != {"max_value"}

    @property
    def limits_cpa(self) -> bool:
        """Whether a campaign in the seat has a target, of cost a conversion or of value a spend."""
        return not self.objectives.isdisjoint(TARGETS)


def cases(scenario: Scenario, seeds: int, split: Split = "test", skip: int = 0) -> list[Case]:
    """The cases of a comparison: the first `seeds` days of a split after `skip` others, the seat rotating.

    Raises `MarketError` if there are not so many.
    """
    count, before = whole(seeds), whole(skip)
    if count is None or before is None or count < 1 or before < 0:
        raise MarketError(f"a comparison has days, of which it skips none or some: not {seeds!r} after {skip!r}")
    held = contested(scenario)
    days = list(enumerate(seeds_of(split, before + count)))[before:]
    return [Case(checked(seed, split), held[i % len(held)]) for i, seed in days]


def _world(scenario: Scenario, case: Case, policy: BidPolicy, mix: str, record: int | None = None) -> World:
    mapping = {**rivals(scenario, case.campaign, mix), case.campaign: policy}
    return World(scenario, {"bidding": mapping}, seed=case.seed, record=record)


def attempt(scenario: Scenario, case: Case, policy: BidPolicy, mix: str = "mixed") -> Trial:
    """One day with `policy` in the seat, without the bounds, which take a third of the time."""
    world = _world(scenario, case, policy, mix)
    world.run()
    return Trial(float(day_scores(world, case.campaign).sum()))


def play(scenario: Scenario, case: Case, policy: BidPolicy, mix: str = "mixed") -> Run:
    """One day with `policy` in the seat."""
    world = _world(scenario, case, policy, mix, record=case.campaign)
    begun = time.thread_time()
    world.run()
    seconds = time.thread_time() - begun
    k = case.campaign
    spent = world.ledger.spend()[:, k]
    value, spend = float(world.ledger.value()[:, k].sum()), float(spent.sum())
    budget = float(world.campaigns.budget[k]) / 1e6 * scenario.days
    curve = np.concatenate([[0.0], np.cumsum(spent)]) / budget
    ideal = np.concatenate([[0.0], np.cumsum(np.tile(world.forecast, scenario.days))]) / scenario.days
    limited = world.campaigns.listed[k].objective in TARGETS
    # What the expected conversions may cost at most; without a target as much as one likes.
    allowed = min(spend, value * float(world.campaigns.target[k] / world.campaigns.value[k])) if limited else spend
    return Run(
        value=value,
        spend=spend,
        budget=budget,
        pacing_error=float(np.abs(curve - ideal).mean()),
        conversions=int(world.ledger.attributed()[:, k].sum()),
        cpa_excess=1.0 - allowed / spend if spend > 0 else 0.0,
        score=float(day_scores(world, k).sum()),
        clairvoyant=clairvoyant_bound(world),
        frontier=frontier_bound(world),
        seconds=seconds,
        spend_curve=curve,
    )


@lru_cache(maxsize=256)
def _bidder(spec: str, source: str) -> BidPolicy:
    policy = make_bidder(spec)
    if source_digest(policy) != source:
        raise MarketError(f"{spec} has changed on disk while it was being compared; run again")
    return policy


class Measured(NamedTuple):
    """A row, and the files that it depends on beside the policy's sources."""

    outcome: Outcome
    read: dict[str, str]  # digests by path


def perform(task: Task) -> Measured:
    """Measures one row; in whatever process, with the same result."""
    if task.policy is not None:
        how = play if task.table == "runs" else attempt
        policy = _bidder(task.policy, task.source)
        outcome = how(task.scenario, task.case, policy, task.rivals)
        # A module that was first imported while it played may be newer than what the row is to be found by.
        late = {} if source_digest(policy) == task.source else {"": UNKNOWN}
        return Measured(outcome, reads(policy) | late)
    k = task.case.campaign
    best = static_hindsight(task.scenario, rivals(task.scenario, k, task.rivals), k, task.case.seed)
    return Measured(Yardstick(best.score, best.multiplier), {})


def measure(tasks: Sequence[Task], store: Store, jobs: int, advance: Callable[[], None]) -> list[Outcome]:
    """What every task gives, from the store where it is known; what is new is stored as soon as it is known."""
    _bidder.cache_clear()  # a policy that was made for an earlier comparison may hold what a file held then
    found: dict[int, Outcome] = {}
    for place, task in enumerate(tasks):
        if (known := _read(store, task)) is not None:
            found[place] = known
            advance()
    missing = [place for place in range(len(tasks)) if place not in found]
    for number, measured in results(perform, [tasks[place] for place in missing], jobs):
        found[missing[number]] = measured.outcome
        _write(store, tasks[missing[number]], measured)
        advance()
    return [found[place] for place in range(len(tasks))]


def _read(store: Store, task: Task) -> Outcome | None:
    kind = ROWS[task.table]
    row = store.find(task.table, task.key, kind._fields)
    if row is None or kind is not Run:
        return None if row is None else kind(*row)
    *numbers, curve = row
    return Run._make((*numbers, np.frombuffer(curve, "<f8")))


def _write(store: Store, task: Task, measured: Measured) -> None:
    outcome, row = measured.outcome, measured.outcome._asdict()
    if isinstance(outcome, Run):
        row["spend_curve"] = outcome.spend_curve.astype("<f8").tobytes()
    store.add(task.table, task.key, row, measured.read)


def run(
    scenario: Scenario,
    policies: Mapping[str, str],
    seeds: int,
    advance: Callable[[], None] = lambda: None,
    *,
    split: Split = "test",
    skip: int = 0,
    mix: str = "mixed",
    jobs: int = 1,
    store: Store | None = None,
) -> Results:
    """Plays every policy on every case, and finds static hindsight. Calls `advance` after each of `steps(...)` steps.

    Args:
        scenario: the market.
        policies: what each label stands for, as the catalogue reads it, or several such texts joined by +, whose mean counts.
        seeds: how many days.
        split: whose days.
        skip: how many of them to leave out first.
        mix: who the rivals are; see `agents.rivals`.
        jobs: processes that share the work; the results are the same.
        store: where rows are kept and looked for.

    Raises:
        MarketError: if no campaign's budget binds, or a case has nothing to win.
    """
    chosen = cases(scenario, seeds, split, skip)
    members = {label: joined(spec) for label, spec in policies.items()}
    everyone = [spec for specs in members.values() for spec in specs]
    by_spec, yardsticks = _measured(scenario, "runs", everyone, chosen, advance, mix, jobs, store)
    runs = {
        label: [_average(of_case) for of_case in zip(*(by_spec[spec] for spec in specs), strict=True)]
        for label, specs in members.items()
    }
    return Results(scenario, mix, chosen, dict(policies), runs, yardsticks)


def _average(runs: Sequence[Run]) -> Run:
    """The mean of what several policies made of one case."""
    return runs[0] if len(runs) == 1 else Run._make(np.mean(column, axis=0) for column in zip(*runs, strict=True))


def shares(
    scenario: Scenario,
    policies: Iterable[str],
    days: int,
    split: Split,
    advance: Callable[[], None] = lambda: None,
    *,
    mix: str = "mixed",
    jobs: int = 1,
    store: Store | None = None,
) -> dict[str, float]:
    """The mean share of static hindsight of each policy, as the catalogue reads it, for a search; the rest as in `run`."""
    by_spec, yardsticks = _measured(scenario, "trials", policies, cases(scenario, days, split), advance, mix, jobs, store)
    best = np.array([y.score for y in yardsticks])
    return {spec: float(np.mean(np.array([trial.score for trial in trials]) / best)) for spec, trials in by_spec.items()}


def _measured(
    scenario: Scenario, table: str, policies: Iterable[str], chosen: Sequence[Case], advance: Callable[[], None], mix: str,
    jobs: int, store: Store | None,
) -> tuple[dict[str, list[Any]], list[Yardstick]]:  # fmt: skip
    """The rows of each policy, and static hindsight, in the order of the cases."""
    sources = {spec: source_digest(make_bidder(spec)) for spec in dict.fromkeys(policies)}
    tasks = []
    for case in chosen:
        tasks += [Task(scenario, mix, case, spec, source, table) for spec, source in sources.items()]
        tasks.append(Task(scenario, mix, case, None, "", "hindsight"))
    outcomes = measure(tasks, Store() if store is None else store, jobs, advance)
    by_spec: dict[str | None, list[Any]] = {}
    for task, outcome in zip(tasks, outcomes, strict=True):
        by_spec.setdefault(task.policy, []).append(outcome)
    yardsticks: list[Yardstick] = by_spec.pop(None)
    for case, best in zip(chosen, yardsticks, strict=True):
        if not best.score > 0:
            name = build(scenario).campaigns.names[case.campaign]
            raise MarketError(
                f"no constant multiplier brings campaign {name!r} anything on the day of seed {case.seed}, so there is no "
                "yardstick for it: its budget or its bids are too small, or it has no chance against its rivals"
            )
    return {spec: rows for spec, rows in by_spec.items() if spec is not None}, yardsticks


def steps(policies: Mapping[str, str], seeds: int) -> int:
    """How many steps `run` takes."""
    return (len({spec for text in policies.values() for spec in joined(text)}) + 1) * seeds
