"""What `adarena bench` and `adarena tune` do: from texts on a command line to files in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from ..agents import catalogue
from ..agents.parameters import space_of
from ..simulator.core.disk import write, write_together
from ..simulator.core.errors import MarketError, PolicyError
from ..simulator.scenario.tree import Scenario
from .comparison import measuring, plots, report, tuning
from .comparison.page import page
from .comparison.store import Store
from .comparison.suite import Suite
from .comparison.workers import Crew
from .output.figures import encoded
from .output.progress import progress
from .output.tables import plain_table

FEWEST = 2  # days: one says nothing about spread


class Terms(NamedTuple):
    """How either command works."""

    rivals: str | None  # a mix of the suite; None: its first
    crew: Crew  # who does the work
    command: str  # as given, for the record
    skip: int = 0  # test days left out before the first
    fresh: bool = False  # rows of earlier are not reused


@contextmanager
def kept(console: Console, path: Path, fresh: bool) -> Iterator[Store]:
    """The store of a command. Says how many rows it reused; or, when it is stopped, that what it measured is kept."""
    with Store(path, fresh=fresh) as store:
        try:
            yield store
        except KeyboardInterrupt as stop:
            again = "the same command without --fresh" if fresh else "the same command"
            kept = f"stopped; {store.added} new rows are kept in {path}: {again} goes on from there"
            raise type(stop)(kept) from None
    if store.reused:
        told = f"reused {store.reused} of {store.asked} rows from {path}; --fresh measures them anew"
        console.print(told, soft_wrap=True, highlight=False)


def labelled(seat: str, policies: tuple[str, ...], reference: str) -> dict[str, str]:
    """What each label stands for: a text for itself, LABEL=TEXT or LABEL=TEXT+TEXT for what it says, `@FILE` for what it names.

    The reference is one of the labels, or another policy, which joins the comparison.
    """
    found: dict[str, str] = {}
    for text in policies:
        read = tuning.read(seat, Path(text[1:])) if text.startswith("@") else dict([catalogue.labelled(text)])
        for label, spec in read.items():
            if found.setdefault(label, spec) != spec:
                raise PolicyError(f"{label!r} stands for both {found[label]} and {spec}: give one of them another label")
    return found if reference in found else found | {reference: reference}


def agreed(suite: Suite[Any], policies: tuple[str, ...], reference: str | None, seeds: int) -> tuple[dict[str, str], str]:
    """Who is compared, by label, and the label of the reference; by default the suite's, on days enough to tell of a spread.

    Raises:
        MarketError: if there are fewer days than `FEWEST`.
        PolicyError: if a policy cannot be made: sooner than when its turn comes.
    """
    if seeds < FEWEST:
        raise MarketError(f"a comparison needs at least {FEWEST} seeds, not {seeds}")
    reference = suite.reference if reference is None else reference
    labels = labelled(suite.seat, policies or suite.compared, reference)
    for spec in (one for text in labels.values() for one in catalogue.joined(suite.seat, text)):
        catalogue.make_policy(suite.seat, spec)
    return labels, reference


def publish(console: Console, folder: Path, files: Mapping[Path, bytes | str]) -> None:
    """Writes what was found, at once or not at all, and names it, the store with it."""
    write_together(files)
    console.print("written: " + ", ".join(str(path) for path in (folder / "results.sqlite", *files)), soft_wrap=True)


def compare(
    console: Console,
    suite: Suite[Any],
    scenario: Scenario,
    policies: tuple[str, ...],
    seeds: int,
    reference: str | None,
    folder: Path,
    terms: Terms,
) -> None:
    """Plays the comparison on test days, prints its table, and writes results.sqlite, summary.json, figures, report.html."""
    labels, reference = agreed(suite, policies, reference, seeds)
    mix = measuring.chosen_mix(suite, terms.rivals)
    with (
        kept(console, folder / "results.sqlite", terms.fresh) as store,
        progress(f"{suite.name} on {scenario.name}", measuring.steps(suite, labels, seeds)) as advance,
    ):
        results = measuring.run(suite, scenario, labels, seeds, advance, skip=terms.skip, mix=mix, crew=terms.crew, store=store)
    found = report.estimates(results, reference)
    console.print(report.comparison_table(results, found, reference))
    files: dict[Path, bytes | str] = {folder / "summary.json": report.as_json(report.summary(results, found, reference))}
    for kind in ("png", "svg"):
        files[folder / f"policies.{kind}"] = encoded(plots.comparison(results), kind)
        if suite.curve is not None:
            files[folder / f"{suite.curve.name}.{kind}"] = encoded(plots.curves(results, suite.curve), kind)
        if (frontier := suite.frontier) is not None:
            files[folder / f"{frontier.name}.{kind}"] = encoded(plots.frontier(results, found, frontier), kind)
    files[folder / "report.html"] = page(results, found, reference, terms.command)
    publish(console, folder, files)


def tune(
    console: Console,
    suite: Suite[Any],
    scenario: Scenario,
    policies: tuple[str, ...],
    configurations: int,
    days: int,
    out: Path,
    terms: Terms,
) -> None:
    """Searches on training days, chooses on validation days, prints what it found and writes it as YAML.

    Rows are kept beside the file, under its name with `.sqlite`, so that a search that was killed goes on.
    """
    if not os.access(out.parent, os.W_OK) or out.is_dir():
        raise MarketError(f"cannot write to {str(out)!r}")
    specs, mix = tuple(dict.fromkeys(policies or suite.tuned)), measuring.chosen_mix(suite, terms.rivals)
    unsearched = [spec for spec in specs if not space_of(catalogue.make_policy(suite.seat, spec))]
    if len(unsearched) == len(specs):
        raise PolicyError(f"{report.listed(unsearched)}: there is nothing to search, since no class of theirs has a SPACE")
    with (
        kept(console, out.with_name(out.name + ".sqlite"), terms.fresh) as store,
        progress(f"tuning on {scenario.name}", tuning.steps(suite.seat, specs, configurations, days)) as advance,
    ):
        found = tuning.tune(suite, scenario, specs, configurations, days, store, mix=mix, crew=terms.crew, advance=advance)
    write(out, tuning.to_yaml(suite, found, scenario, mix, days, configurations, terms.command))
    table = plain_table(
        f"tuned on {scenario.name}: {days} training days, {days} validation days",
        caption=f"Scores: {tuning.metric(suite)}.{f' Nothing to search: {report.listed(unsearched)}.' if unsearched else ''}",
    )
    for column in ("policy", "chosen", "training", "as given", "validation", "as given"):
        table.add_column(column, justify="left" if column in ("policy", "chosen") else "right", overflow="fold")
    for one in found.values():
        scores = (one.training, one.given_training, one.validation, one.given_validation)
        table.add_row(one.given, one.chosen, *(f"{score:.3f}" for score in scores))
    console.print(table)
    console.print(f"written: {out}", soft_wrap=True)
