"""Revenue over the number of servers: what policies of the compute seat earn with fewer or more, and what they can do without.

"The same revenue with so many fewer servers" is how the field reports (DCAF, arXiv 2006.09684; MaRCA, arXiv 2512.24325). Of
fewer or more servers the same share fails as the scenario has it, in whole servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from ..agents.catalogue import joined
from ..simulator.core.arrays import Floats
from ..simulator.core.errors import MarketError
from ..simulator.scenario.tree import Scenario
from .comparison import measuring, needs, statistics
from .comparison.statistics import Estimate
from .comparison.store import Store
from .comparison.suite import Case, Run, Suite
from .comparison.workers import HERE, Crew

SHARES = (0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 1.75, 2.0)  # of the planned servers, if nothing else is said
NUMBERS = ("revenue", "requests", "lost")  # of a suite's, that are looked at


class Curves(NamedTuple):
    """What policies made of each number of servers on the same days."""

    scenario: Scenario  # as planned
    servers: tuple[int, ...]  # rising
    reference: str  # a label
    policies: Mapping[str, str]  # what each label stands for
    cases: Sequence[Case]
    numbers: Mapping[str, Mapping[str, Floats]]  # `NUMBERS` of each label, (servers, days)

    @property
    def planned(self) -> int:
        """The scenario's own number of servers."""
        assert self.scenario.serving is not None
        return self.scenario.serving.servers

    @property
    def sizes(self) -> Floats:
        """The numbers of servers, (servers,)."""
        return np.array(self.servers, np.float64)

    def revenue(self, label: str) -> Floats:
        """Of a policy, (servers, days), currency."""
        return self.numbers[label]["revenue"]

    def at(self, servers: int) -> int:
        """The place of a number of servers."""
        return self.servers.index(servers)


def with_servers(scenario: Scenario, servers: int) -> Scenario:
    """The same market with so many servers, of which as large a share fails at times as before, at least one.

    Where a range of failures does not come to whole servers it is drawn in from both ends, so that its middle stays.

    Raises:
        MarketError: if the market has no servers, or orders them by itself.
    """
    serving = scenario.serving
    if serving is None:
        raise MarketError(f"scenario {scenario.name!r} has no servers whose number could change")
    if serving.autoscaling is not None:
        raise MarketError(f"scenario {scenario.name!r} orders its servers by itself: set serving.autoscaling=null")
    share = servers / serving.servers
    changes: dict[str, Any] = {"serving.servers": servers}
    if serving.failures is not None:
        fewest, most = serving.failures.servers
        low = max(1, int(np.floor(fewest * share + 0.5)))
        changes["serving.failures.servers"] = [low, max(low, int(np.ceil(most * share - 0.5)))]
    if serving.outages:
        scaled = (outage.model_copy(update={"servers": max(1, round(outage.servers * share))}) for outage in serving.outages)
        changes["serving.outages"] = [outage.model_dump() for outage in scaled]
    return scenario.override(changes)


def ladder_of(scenario: Scenario, servers: Sequence[int]) -> tuple[int, ...]:
    """The numbers of servers that are played, from half to twice those planned if none are given.

    Raises:
        MarketError: if they do not rise, are below 1, or the planned number is not among them.
    """
    if scenario.serving is None:
        raise MarketError(f"scenario {scenario.name!r} has no servers whose number could change")
    planned = scenario.serving.servers
    ladder = tuple(servers or sorted({max(1, round(share * planned)) for share in SHARES}))
    if len(ladder) < 2 or ladder[0] < 1 or any(b <= a for a, b in pairwise(ladder)) or planned not in ladder:
        raise MarketError(
            f"numbers of servers rise from 1 or more, at least two of them, among them the scenario's {planned}: "
            f"not {' '.join(map(str, ladder))}"
        )
    return ladder


def steps(suite: Suite[Any], policies: Mapping[str, str], ladder: Sequence[int], seeds: int) -> int:
    """How many steps `measure` takes."""
    return len({spec for text in policies.values() for spec in joined(suite.seat, text)}) * len(ladder) * seeds


def measure(
    suite: Suite[Any],
    scenario: Scenario,
    policies: Mapping[str, str],
    reference: str,
    ladder: tuple[int, ...],
    seeds: int,
    advance: Callable[[], None] = lambda: None,
    *,
    skip: int = 0,
    crew: Crew = HERE,
    store: Store | None = None,
) -> Curves:
    """Plays every policy with every number of servers on the same test days; rows are those of `adarena bench`.

    Args:
        suite: of the compute seat.
        scenario: the market, with servers as planned.
        policies: what each label stands for, as the catalogue reads it, or several such texts joined by +, whose mean counts.
        reference: the label whose revenue with the planned servers is what others are to earn with fewer.
        ladder: numbers of servers, see `ladder_of`.
        seeds: how many days.
        advance: called after each of `steps(...)` steps.
        skip: how many test days to leave out first.
        crew: who does the work; the results are the same.
        store: where rows are kept and looked for.
    """
    entrants = measuring.Entrants(suite, policies)
    mix, cases = measuring.chosen_mix(suite, None), suite.cases(scenario, seeds, "test", skip)
    tasks = [
        measuring.Task(suite, market, mix, case, spec, source, "run")
        for market, case, (spec, source) in product(
            (with_servers(scenario, n) for n in ladder), cases, entrants.sources.items()
        )
    ]
    outcomes = measuring.measure(tasks, Store() if store is None else store, crew, advance)
    runs = [one.numbers for one in outcomes if isinstance(one, Run)]
    shape = len(ladder), len(cases), len(entrants.sources)
    found = {name: entrants.means(np.array([float(numbers[name]) for numbers in runs]).reshape(shape)) for name in NUMBERS}
    numbers = {label: {name: found[name][label] for name in NUMBERS} for label in policies}
    return Curves(scenario, ladder, reference, dict(policies), cases, numbers)


def over_reference(found: Curves, label: str, servers: int) -> Estimate:
    """By what share revenue lies over the reference's with as many servers, paired by day."""
    one, other = (found.revenue(name)[found.at(servers)] for name in (label, found.reference))
    share, interval = statistics.ratio(one, other, statistics.strata([0] * other.size))
    return Estimate(share - 1.0, None if interval is None else statistics.Interval(interval.low - 1.0, interval.high - 1.0))


def mean(found: Curves, label: str, servers: int) -> Estimate:
    """Revenue a day."""
    values = found.revenue(label)[found.at(servers)]
    return statistics.mean(values, statistics.strata([0] * values.size))


def lost(found: Curves, label: str, servers: int) -> float:
    """The share of requests that are lost."""
    its, place = found.numbers[label], found.at(servers)
    return float(its["lost"][place].sum() / its["requests"][place].sum())


def change(found: Curves, label: str) -> Estimate:
    """By what share of the planned servers a policy needs more than those, or fewer, for the reference's revenue with them."""
    wanted = found.revenue(found.reference)[found.at(found.planned)]
    return needs.change(found.sizes, found.revenue(label), wanted, found.planned, np.random.default_rng(0))
