"""What `adarena rank scaling` does: a market's journal, runs of all sizes, the laws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError
from ...simulator.scenario.tree import Scenario
from ..comparison.workers import Crew
from ..output.figures import save
from ..output.progress import progress
from . import report, retrieval, runs, sequences
from .runs import Point, Size


class Terms(NamedTuple):
    """What is trained, and on how much."""

    sizes: tuple[str, ...]  # WIDTHxLAYERS
    seeds: int
    tokens: int  # of the longest run
    length: int  # impressions of a user
    tested: int  # users who are held out


def command(console: Console, scenario: Scenario, terms: Terms, crew: Crew, fresh: bool, out: Path) -> None:
    """Plays the market, trains what has not been trained, prints tables, writes scaling.json and scaling.png.

    Raises:
        MarketError: if the terms do not fit the market.
    """
    if terms.seeds < 1 or terms.length < 2 or terms.tested < 1:
        raise MarketError("seeds and test users are at least 1, and a sequence has two impressions or more")
    sizes = [Size.of(text) for text in dict.fromkeys(terms.sizes)]
    held = sequences.sequences(sequences.played(scenario, out / "journal"), terms.length)
    folder = out / "runs"
    planned = runs.tasks(folder, scenario.digest, held, sizes, terms.seeds, terms.tokens, terms.tested)
    test = held.part(slice(0, terms.tested))
    law = sequences.filtered(test, scenario)
    mean = np.full(test.truth.shape, held.clicked[terms.tested :].mean())
    losses = (sequences.expected_loss(rates, test.truth) for rates in (mean, law, test.truth))
    points = trained(console, planned, held, crew, fresh)
    floors = report.Floors(*losses)
    found = report.Found(
        scenario.name, scenario.digest, planned[0].device, terms.length, terms.tested, floors, points,
        report.laws(points, floors),
    )  # fmt: skip
    for table in report.tables(found):
        console.print(table)
    write(out / "scaling.json", json.dumps(report.to_json(found), indent=2, allow_nan=False))
    console.print(f"figure: {save(report.picture(found), out / 'scaling.png')}", soft_wrap=True)


def recall(console: Console, scenario: Scenario, seeds: int, length: int, users: int, out: Path) -> None:
    """`adarena rank recall`: plays the market unless its journal is there, trains both kinds of recall, writes recall.json.

    Raises:
        MarketError: if there are no seeds, or sequences are too short.
    """
    if seeds < 1 or users < 1:
        raise MarketError("recall is of one seed at least, and one user")
    held = sequences.sequences(sequences.played(scenario, out / "journal"), length).part(slice(0, users))
    scores = sequences.true_rates(held, scenario)
    with progress("recall", seeds) as advance:
        found = []
        for seed in range(seeds):
            found.append(retrieval.compare(held, scores, seed))
            advance()
    console.print(retrieval.table(scenario.name, found))
    write(out / "recall.json", json.dumps([each._asdict() for each in found], indent=2, allow_nan=False))


def trained(
    console: Console, planned: Sequence[runs.Task], held: sequences.Sequences, crew: Crew, fresh: bool
) -> tuple[Point, ...]:
    """The points of all tasks, those that are kept and those that are not yet."""
    done = {} if fresh else {place: points for place, task in enumerate(planned) if (points := runs.kept(task)) is not None}
    left = [place for place in range(len(planned)) if place not in done]
    if done:
        console.print(f"reused {len(done)} of {len(planned)} runs; --fresh trains them anew")
    if left:
        runs.store(held, Path(planned[0].folder))
    try:
        with progress("training sizes", len(left)) as advance:
            for number, points in crew.results(runs.run, [planned[place] for place in left]):
                done[left[number]] = points
                advance()
    except KeyboardInterrupt as stop:
        told = f"stopped; {len(done)} of {len(planned)} runs are kept: the same command goes on from there"
        raise type(stop)(told) from None
    return tuple(point for place in range(len(planned)) for point in done[place])
