"""Training on a log, in the order of time: one epoch, validation on what comes after, checkpoints from which it goes on.

Optimisers are torch's. One thread: batches are small, and several threads that share a processor wait for each other.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...simulator.core.disk import write
from ...simulator.core.errors import LogError, PolicyError
from .delayed import Fitting, clicks_of, learned
from .distilling import check_teacher, taught
from .features import Schema
from .logs import Examples, Log, Window, joined
from .models.corrected import Corrected
from .models.layers import Batch, Followed, Network, Shape, batch_of, one_thread
from .models.registry import LOOKING, SEQUENTIAL, make
from .ranker import NAME, Card, Ranker, load_ranker, made
from .settings import Settings

CHECKPOINT, CURVE = "checkpoint.pt", "curve.csv"
JUDGED = 200_000  # impressions of the validation window that are held in memory and judged at each check
Advance = Callable[[int, float | None], None]


class Course:
    """Where a training is: the networks, the optimiser, and what has been found so far."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.optimiser = network, optimiser_of(network, settings)
        self.epoch, self.step = 0, 0  # steps of this epoch
        self.curve: list[tuple[int, float, float]] = []  # impressions, loss since the last check, validation loss
        self.best: dict[str, Tensor] = {}
        self.loss, self.seen = 0.0, 0  # since the last check
        self.rows = 0  # impressions trained on

    @property
    def worse(self) -> int:
        """Checks since the best one."""
        losses = [each[2] for each in self.curve]
        return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def train(
    log: Log, settings: Settings, out: Path, resume: bool = False, fresh: bool = False, advance: Advance | None = None
) -> Ranker:
    """Trains a model and writes it, with its learning curve, into a folder; `advance(impressions, loss)` is called often.

    Raises:
        PolicyError: if the folder holds another run, and neither `resume` nor `fresh` is asked for, or there is none to resume.
        LogError: if a window of the log holds nothing.
    """
    shape, course, told = _begun(log, settings, out, resume, fresh)
    schema = _schema(log, settings)
    window, after, _ = log.split(settings.train, settings.valid)
    own: dict[str, Any] = {"kept": settings.kept, "seed": settings.seed, "ads": (settings.unseen, 1.0)}
    window, after = (dataclasses.replace(each, **own) for each in (window, after))
    judged = _judged(log, settings, schema, after)
    every = max(
        1, math.ceil(settings.train * log.rows * settings.kept * (1 - settings.unseen) / settings.batch / settings.checks)
    )
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        if told:
            torch.set_rng_state(told["torch"])
        while course.epoch < settings.epochs and course.worse < settings.patience:
            stream = _batches(log, settings, schema, window, shape, course)
            for batch, labels in stream:
                step(course, batch, labels)
                if advance is not None:
                    advance(course.rows, course.loss / course.seen)
                if course.step % every == 0:
                    _check(course, judged, shape)
                    _keep(course, settings, schema.hash, out)
                    if course.worse >= settings.patience:
                        break
            else:
                course.epoch, course.step = course.epoch + 1, 0
        if course.seen:
            _check(course, judged, shape)
        if not course.curve:
            raise LogError("there are no impressions to train on")
        _keep(course, settings, schema.hash, out)
    course.network.load_state_dict(course.best)
    told_of = {**dataclasses.asdict(settings), "impressions": course.rows, "log": str(log.folder)}
    how = json.loads(json.dumps(told_of))  # as it will be read again
    chain, arguments = tuple(settings.chain), how["arguments"]
    card = Card(settings.model, arguments, schema, chain, settings.kept, how, None, settings.feedback, settings.prior)
    network = course.network
    if settings.feedback != "naive":
        network = Followed(network, _conversions(log, settings, schema, window))
    ranker = Ranker(card, network)
    ranker.save(out / NAME)
    return ranker


def _conversions(log: Log, settings: Settings, schema: Schema, window: Window) -> Network:
    """A network of conversions given a click, learned from the clicks of the window as they were known at its end."""
    parts = [part.part(part.labels[:, 0] > 0) for part in log.examples(schema, window, settings.chain)]
    shape = Shape.of(schema, 1)
    fitting = Fitting(batch=settings.batch, learning_rate=settings.learning_rate, seed=settings.seed)

    def made(wanted: Shape) -> Network:
        return make(settings.model, wanted, settings.arguments)

    return learned(settings.feedback, clicks_of(joined(parts), shape), made, shape, fitting)


def optimiser_of(network: Network, settings: Settings) -> torch.optim.Optimizer:
    """Adam; the penalty is on tables alone."""
    tables = [p for name, p in network.named_parameters() if name.endswith("table.weight")]
    held = {id(p) for p in tables}
    others = [p for p in network.parameters() if id(p) not in held]
    groups = [{"params": tables, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.Adam([g for g in groups if g["params"]], settings.learning_rate, fused=True)


def step(course: Course, batch: Batch, labels: Tensor) -> None:
    """One step on one batch."""
    course.optimiser.zero_grad(set_to_none=True)
    loss = course.network.loss(batch, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    course.optimiser.step()
    course.loss += float(loss.detach()) * len(labels)
    course.seen += len(labels)
    course.rows += len(labels)
    course.step += 1


def _schema(log: Log, settings: Settings) -> Schema:
    """The features that the model reads of a log."""
    length = settings.length if settings.model in SEQUENTIAL else 0
    return log.schema(length, settings.without, settings.model in LOOKING)


def _begun(log: Log, settings: Settings, out: Path, resume: bool, fresh: bool) -> tuple[Shape, Course, dict[str, Any]]:
    """A run at its beginning, or where its checkpoint was written; with what else that holds."""
    path = out / CHECKPOINT
    if path.exists() and not (resume or fresh):
        raise PolicyError(f"{str(out)!r} holds a run: go on with it (resume), or begin anew (fresh)")
    schema = _schema(log, settings)
    shape = Shape.of(schema, len(settings.stepped))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        course = Course(_begun_with(log, settings, schema, shape), settings)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        for name in (CHECKPOINT, CURVE, NAME):
            (out / name).unlink(missing_ok=True)
        return shape, course, {}
    try:
        told: dict[str, Any] = torch.load(path, weights_only=True)
    except OSError:
        raise PolicyError(f"there is nothing to resume in {str(out)!r}") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        raise PolicyError(f"the checkpoint {str(path)!r} is damaged") from None
    if told["run"] != _run(settings, schema.hash):
        raise PolicyError(f"the run in {str(out)!r} has other settings or features: go on with its own, or begin anew (fresh)")
    course.network.load_state_dict(told["network"])
    course.optimiser.load_state_dict(told["optimiser"])
    course.best = told["best"]
    course.epoch, course.step, course.rows = told["place"]
    course.curve = [(int(rows), loss, judged) for rows, loss, judged in told["curve"]]
    return shape, course, told


def _begun_with(log: Log, settings: Settings, schema: Schema, shape: Shape) -> Network:
    """The network before its first step."""
    network = made(settings.model, shape, settings.arguments, settings.prior)
    if settings.begin:
        load_ranker(settings.begin).hand_on(network, schema)
    elif isinstance(network, Corrected):
        window, _, _ = log.split(settings.train, settings.valid)
        window = dataclasses.replace(window, kept=settings.kept, seed=settings.seed)
        for part in log.examples(schema, window, settings.stepped):
            network.begin(part.believed, part.labels[:, 0])
            break
    return network


def _run(settings: Settings, features: str) -> str:
    return json.dumps([dataclasses.asdict(settings), features], sort_keys=True)


def _batches(
    log: Log, settings: Settings, schema: Schema, window: Window, shape: Shape, course: Course
) -> Iterator[tuple[Batch, Tensor]]:
    """What is left of an epoch, shuffled within a chunk of the log."""
    done = 0
    stream = log.examples(schema, window, settings.stepped)
    if settings.teacher:
        teacher = load_ranker(settings.teacher)
        check_teacher(teacher, log)
        stream = taught(log, schema, window, teacher, settings.taught)
    for number, chunk in enumerate(stream):
        count = math.ceil(len(chunk.ids) / settings.batch)
        if done + count <= course.step:
            done += count
            continue
        order = np.random.default_rng([settings.seed, course.epoch, number]).permutation(len(chunk.ids))
        for first in range((course.step - done) * settings.batch, len(order), settings.batch):
            part = chunk.part(order[first : first + settings.batch])
            yield batch_of(part, shape), torch.from_numpy(part.labels)
        done += count


def _judged(log: Log, settings: Settings, schema: Schema, window: Window) -> Examples:
    """The first impressions of the validation window."""
    parts: list[Examples] = []
    for part in log.examples(schema, window, settings.stepped):
        parts.append(part)
        if sum(len(each.ids) for each in parts) >= JUDGED:
            break
    return joined(parts)


def _check(course: Course, judged: Examples, shape: Shape) -> None:
    """Judges the network, notes it, and keeps its weights if they are the best."""
    course.network.eval()
    total, size = 0.0, 8192
    with torch.inference_mode():
        for first in range(0, len(judged.ids), size):
            part = judged.part(slice(first, first + size))
            total += float(course.network.loss(batch_of(part, shape), torch.from_numpy(part.labels))) * len(part.ids)
    course.network.train()
    course.curve.append((course.rows, course.loss / course.seen, total / len(judged.ids)))
    course.loss, course.seen = 0.0, 0
    if course.worse == 0:
        course.best = {name: value.clone() for name, value in course.network.state_dict().items()}


def _keep(course: Course, settings: Settings, features: str, out: Path) -> None:
    """Writes the checkpoint and the curve."""
    state = {
        "run": _run(settings, features), "network": course.network.state_dict(), "optimiser": course.optimiser.state_dict(),
        "best": course.best, "place": [course.epoch, course.step, course.rows], "curve": course.curve,
        "torch": torch.get_rng_state(),
    }  # fmt: skip
    whole = io.BytesIO()
    torch.save(state, whole)
    write(out / CHECKPOINT, whole.getvalue(), PolicyError)
    table = io.StringIO()
    lines = csv.writer(table)
    lines.writerow(("impressions", "loss", "validation_loss"))
    lines.writerows(course.curve)
    write(out / CURVE, table.getvalue(), PolicyError)
