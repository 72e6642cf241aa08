"""An experiment of the platform's, and the truth it is after: what `adarena abtest` does.

Two policies of pages, each for half of the users in the same market at the same time, as platforms try things; and, as only a
simulator can, the same worlds played by each of them alone. Where users do not touch each other both say the same. Where they
share budgets, the half that sells more takes money from the other half, and an experiment tells of a gain that nobody gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from ..agents.catalogue import labelled, make_policy
from ..agents.splits import seeds as seeds_of
from ..simulator.core.arrays import Floats
from ..simulator.core.disk import write_together
from ..simulator.core.errors import PolicyError
from ..simulator.engine.desk import BUCKETS, bucket_of
from ..simulator.response.pages import PageSum
from ..simulator.scenario.tree import Scenario
from ..simulator.seats import check_seat
from ..simulator.world import World
from .comparison import statistics
from .comparison.report import as_json, written
from .comparison.statistics import Estimate
from .output.progress import progress
from .output.tables import plain_table

SEAT = "allocation"
NUMBERS = ("score", "ad revenue", "organic worth", "pages")  # of a user, over all days of a world


class Tried(NamedTuple):
    """What each way of looking found on every world; arrays (worlds, numbers)."""

    scenario: Scenario
    policies: Mapping[str, str]  # the new one and the old one: what each label stands for
    split: Floats  # difference of the halves' means
    alone: Floats  # difference of the worlds' means

    def estimates(self, number: int) -> tuple[Estimate, Estimate, Estimate]:
        """Of one of the numbers: what the experiment says, what is true, and by how much they differ."""
        groups = statistics.strata([0] * len(self.split))
        split, alone = self.split[:, number], self.alone[:, number]
        first, second, third = (statistics.mean(values, groups) for values in (split, alone, split - alone))
        return first, second, third


def measure(
    scenario: Scenario, policies: Mapping[str, str], seeds: int, skip: int = 0, advance: Callable[[], None] = lambda: None
) -> Tried:
    """Plays test days three times each: split by buckets, and by either policy alone; `advance()` after each world.

    In every second world the halves are exchanged, so that what users differ in is no advantage.

    Raises:
        PolicyError: if there are not two policies.
        MarketError: if the scenario has no pages.
    """
    if len(policies) != 2:
        raise PolicyError(f"an experiment holds one policy against another: two are needed, not {len(policies)}")
    check_seat(SEAT, scenario)
    (_, new), (_, old) = policies.items()
    half = bucket_of(scenario, scenario.users.count) < BUCKETS // 2
    split, alone = [], []
    for number, seed in enumerate(seeds_of("test", skip + seeds)[skip:]):
        first, second = (new, old) if number % 2 == 0 else (old, new)
        made = make_policy(SEAT, first), make_policy(SEAT, second)
        both = _played(scenario, {b: made[b >= BUCKETS // 2] for b in range(BUCKETS)}, seed)
        treated = half if number % 2 == 0 else ~half
        split.append(both[treated].mean(axis=0) - both[~treated].mean(axis=0))
        advance()
        ours = _played(scenario, make_policy(SEAT, new), seed).mean(axis=0)
        advance()
        theirs = _played(scenario, make_policy(SEAT, old), seed).mean(axis=0)
        advance()
        alone.append(ours - theirs)
    return Tried(scenario, dict(policies), np.array(split), np.array(alone))


def _played(scenario: Scenario, policy: Any, seed: int) -> Floats:
    """What each user brought in a world, (U, numbers)."""
    world = World(scenario, {SEAT: policy}, seed=seed)
    world.run()
    assert world.pages is not None
    users = world.pages.users
    organic = world.pages.organic_value * users[:, PageSum.CONTENT]
    return np.column_stack([world.pages.score, users[:, PageSum.REVENUE], organic, users[:, PageSum.PAGES]])


def command(console: Console, scenario: Scenario, policies: tuple[str, ...], seeds: int, skip: int, folder: Path) -> None:
    """Plays the experiment and its truth, prints a table and writes `abtest.json`."""
    labels = dict(labelled(text) for text in policies)
    with progress(f"experiment on {scenario.name}", 3 * seeds) as advance:
        tried = measure(scenario, labels, seeds, skip, advance)
    console.print(table(tried))
    folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / "abtest.json": as_json(content(tried))})
    console.print(f"written: {folder / 'abtest.json'}", soft_wrap=True)


def table(tried: Tried) -> Table:
    """A row for each number."""
    new, old = tried.policies
    told = "" if len(tried.split) < statistics.FEWEST else " [95% interval]"
    out = plain_table(
        f"{new} instead of {old} on {tried.scenario.name}: {len(tried.split)} worlds{told}",
        caption="What a user brings more, in currency, or pages. Experiment: half of the users each, at the same time. Truth: "
        "all users, in the same worlds.",
    )
    out.add_column("of a user", no_wrap=True)
    for column in ("experiment says", "truth", "off by"):
        out.add_column(column, justify="right", no_wrap=True)
    for number, name in enumerate(NUMBERS):
        out.add_row(name, *(written(estimate, "+", ".2f") for estimate in tried.estimates(number)))
    return out


def content(tried: Tried) -> dict[str, Any]:
    """What goes to `abtest.json`."""
    rows = []
    for number, name in enumerate(NUMBERS):
        row: dict[str, Any] = {"number": name}
        for key, estimate in zip(("experiment", "truth", "difference"), tried.estimates(number), strict=True):
            low, high = estimate.interval or (None, None)
            row |= {key: estimate.mean, f"{key}_ci_low": low, f"{key}_ci_high": high}
        rows.append(row)
    return {
        "scenario": {"name": tried.scenario.name, "digest": tried.scenario.digest},
        "policies": dict(tried.policies),
        "worlds": len(tried.split),
        "rows": rows,
    }
