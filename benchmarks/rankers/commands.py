"""What `adarena rank` does: a log is explored, a ranker trained on it, rankers are judged on its last part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ...agents.learning.settings import parsed
from ...agents.rankers.logs import Log
from ...agents.rankers.ranker import NAME, load_ranker
from ...agents.rankers.settings import Settings
from ...agents.rankers.training import CHECKPOINT, CURVE, train
from ...simulator.core.disk import write
from ...simulator.core.errors import PolicyError
from ..output.figures import save
from ..output.progress import training
from . import judging, labelling, newcomers


def settings_of(model: str, seed: int, changes: Sequence[str]) -> Settings:
    """Settings by name: of training where it has one of that name, else of the model.

    Raises:
        PolicyError: if one makes no sense.
    """
    given = parsed(changes)
    known = {field.name for field in dataclasses.fields(Settings)} - {"model", "arguments", "seed"}
    own: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known
    }
    for name in ("chain", "without"):
        if isinstance(own.get(name), str):
            own[name] = tuple(str(own[name]).split(","))
    return Settings(model, {name: value for name, value in given.items() if name not in known}, seed=seed, **own)


def learn(console: Console, log: Path, settings: Settings, out: Path, resume: bool, fresh: bool, again: str) -> None:
    """`adarena rank train`: a ranker in a folder, with its curve; `again` is the command that goes on."""
    held = Log(log)
    total = int(settings.epochs * settings.train * held.rows * settings.kept)
    try:
        with training(settings.model, total) as advance:
            ranker = train(held, settings, out, resume, fresh, lambda rows, loss: advance(rows, None))
    except KeyboardInterrupt as stop:
        left = f"go on with: {again}" if (out / CHECKPOINT).exists() else "before its first checkpoint"
        raise type(stop)(f"stopped; {left}") from None
    console.print(
        f"trained on {ranker.card.trained['impressions']:,} impressions: {out / NAME}; curve: {out / CURVE}", soft_wrap=True
    )
    console.print(f"judge it: adarena rank eval {out} --log {log}", soft_wrap=True)


def evaluate(console: Console, runs: Sequence[Path], log: Path, out: Path, terms: judging.Terms) -> None:
    """`adarena rank eval`: a table, eval.json and eval.png.

    Raises:
        PolicyError: if two have the same name.
    """
    if terms.by and terms.method is None:
        raise PolicyError("--by says by what feature a calibration differs: name one, as in --calibrate isotonic")
    rankers = {str(path): load_ranker(path) for path in runs}
    if len(rankers) < len(runs):
        raise PolicyError("a ranker is judged once: one of them is named twice")
    found = judging.judge(Log(log), rankers, terms)
    console.print(judging.table(found))
    if found.recall:
        console.print(judging.recall_table(found))
    if found.unseen:
        console.print(newcomers.table(found.unseen))
    write(out / "eval.json", json.dumps(judging.to_json(found), indent=2, allow_nan=False))
    console.print(f"figure: {save(judging.picture(found), out / 'eval.png')}", soft_wrap=True)


def label(console: Console, log: Path, out: Path, budget: labelling.Budget) -> None:
    """`adarena rank label`: a table, label.json and label.png."""
    found = labelling.measure(Log(log), budget)
    console.print(labelling.table(found))
    write(out / "label.json", json.dumps(labelling.to_json(found), indent=2, allow_nan=False))
    console.print(f"figure: {save(labelling.picture(found), out / 'label.png')}", soft_wrap=True)
