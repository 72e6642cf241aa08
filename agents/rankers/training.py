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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...simulator.core.disk import write
from ...simulator.core.errors import LogError, PolicyError
from ..parameters import check_number, check_whole
from .delayed import Fitting, clicks_of, learned, outputs
from .distilling import check_teacher, taught
from .features import Schema, chosen
from .logs import CHAIN, Examples, Log, Window, chained, joined
from .models.corrected import Corrected
from .models.layers import Batch, Followed, Network, Shape, batch_of, one_thread
from .models.registry import LOOKING, SEQUENTIAL, follows, make, settings_of
from .ranker import NAME, Card, Ranker, load_ranker, made

CHECKPOINT, CURVE = "checkpoint.pt", "curve.csv"
PRIORS = ("nothing", "belief")
JUDGED = 200_000  # impressions of the validation window that are held in memory and judged at each check
Advance = Callable[[int, float | None], None]


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Args:
        model: its name.
        arguments: of the model, such as k=16; what is not named is as its file says.
        chain: labels that are learned, each given the one before.
        length: latest impressions of a user that models of the past read.
        without: features that are left out, such as those that nobody tells as candidates are scored.
        train, valid: shares of the log's impressions, in the order of time; what is left is for tests.
        kept: share of the impressions without a click that are trained on.
        unseen: share of the ads that are never trained on: on these it can be judged what a model makes of new ones.
        batch: impressions of a step.
        learning_rate, decay: of AdamW on layers and Adam on tables; `decay` is the L2 penalty of tables.
        epochs: passes over the training window.
        checks: how often an epoch is interrupted for validation.
        patience: checks without a better one after which training ends.
        seed: of weights, order and which negatives are kept.
        prior: what the log-odds of a click start from: `nothing`, or the platform's `belief`, which the model then corrects.
        begin: file or folder of a ranker whose weights are gone on from, such as one trained on an earlier log; empty: none.
        feedback: how conversions that are reported late are learned, as `delayed` says; other than naively, by a network of
            their own, from the clicks of the training window, which are held in memory.
        teacher: folder or file of a trained ranker whose click rates are learned beside the labels; empty: of none. `taught` is
            how much they count, from 0 to 1; labels count for the rest.
    """

    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    chain: tuple[str, ...] = CHAIN
    length: int = 20
    without: tuple[str, ...] = ()
    train: float = 0.8
    valid: float = 0.1
    kept: float = 1.0
    unseen: float = 0.0
    batch: int = 1024
    learning_rate: float = 2e-3
    decay: float = 1e-6
    epochs: int = 1
    checks: int = 10
    patience: int = 3
    seed: int = 0
    prior: str = "nothing"
    begin: str = ""
    feedback: str = "naive"
    teacher: str = ""
    taught: float = 0.5

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "checks", "patience"):
            check_whole(self, name, 1)
        check_whole(self, "length", 0)
        check_whole(self, "seed", 0)
        check_number(self, "learning_rate", above=0.0)
        check_number(self, "decay", least=0.0)
        check_number(self, "unseen", least=0.0, most=0.9)
        check_number(self, "taught", least=0.0, most=1.0)
        settings_of(self.model)
        chained(self.chain)
        chosen(self.without)
        outputs(self.feedback)
        if self.prior not in PRIORS:
            raise PolicyError(f"log-odds start from {' or '.join(PRIORS)}, not from {self.prior!r}")
        if self.feedback != "naive" and (self.prior != "nothing" or self.begin):
            raise PolicyError(
                f"feedback {self.feedback} learns from nothing: without a prior, and without a ranker to begin with"
            )
        if self.feedback != "naive" and not (follows(self.model) and tuple(self.chain) == CHAIN):
            raise PolicyError(f"feedback {self.feedback} is of a chain clicked,converted of lr, fm or a model of one label")
        if self.teacher and tuple(self.chain) != CHAIN[:1]:
            raise PolicyError(f"a teacher is of clicks alone: with chain=clicked, not {','.join(self.chain)}")

    @property
    def stepped(self) -> tuple[str, ...]:
        """The labels that are learned step by step; conversions whose feedback is modelled are learned afterwards."""
        return tuple(self.chain) if self.feedback == "naive" else CHAIN[:1]


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
