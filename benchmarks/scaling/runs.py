"""Training one size on a budget of tokens, judged on the way: a run a file, so that what is there is not run again.

One pass over the same users in the same order for all sizes. The learning rate stays constant, and what is judged is the mean
of the latest weights: that stands in for a run that ends, its rate lowered, at each budget (Hägele et al. 2024, 2405.18392).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ... import __version__
from ...agents.rankers.models.behaviour import Behaviour, computed
from ...agents.rankers.models.layers import one_thread
from ...simulator.core.disk import write
from ...simulator.core.errors import MarketError
from .sequences import Sequences, expected_loss

BATCH, WARM, CLIP = 32, 50, 1.0  # sequences of a step, steps until the learning rate is whole, the largest gradient
RATE = 0.01  # of Adam at width 8; it falls as 1 / sqrt(width)
LATEST = 0.1  # share of the steps whose weights are averaged
BUDGETS = 5  # each twice the one before
FORMAT = 1


@dataclass(frozen=True)
class Size:
    """A model of the family, written WIDTHxLAYERS."""

    width: int
    layers: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.layers < 1 or (self.width >= 32 and self.width % 16):
            raise MarketError(f"a width is below 32 or a multiple of 16, and there is a layer at least, unlike {self}")

    def __str__(self) -> str:
        return f"{self.width}x{self.layers}"

    @classmethod
    def of(cls, text: str) -> Size:
        """Reads one. Raises `MarketError` if it is none."""
        width, _, layers = text.partition("x")
        if not (width.isdigit() and layers.isdigit()):
            raise MarketError(f"a size is written WIDTHxLAYERS, as in 32x2, and not {text!r}")
        return cls(int(width), int(layers))


class Point(NamedTuple):
    """What a size had come to after a budget."""

    size: str
    seed: int
    parameters: int  # without tables of ads
    with_tables: int
    tokens: int
    operations: float
    loss: float  # on the test users, over all clicks that could have been


@dataclass(frozen=True)
class Task:
    """One run. `digest` is that of the market."""

    folder: str  # where runs are kept, and sequences.npz beside
    digest: str
    size: Size
    seed: int
    tokens: int
    length: int
    tested: int  # users held out
    device: str

    @property
    def path(self) -> Path:
        """Of its file, which another market, budget or version does not share."""
        told = {**asdict(self), "folder": "", "version": __version__, "format": FORMAT}
        name = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6).hexdigest()
        return Path(self.folder) / f"{self.size}-seed{self.seed}-{name}.json"


def device() -> str:
    """A GPU where torch has one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def store(held: Sequences, folder: Path) -> None:
    """Sequences as workers read them."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "sequences.npz", **held._asdict())


def stored(folder: Path) -> Sequences:
    """What `store` wrote."""
    with np.load(folder / "sequences.npz") as found:
        return Sequences(*(found[name] for name in Sequences._fields))


def kept(task: Task) -> list[Point] | None:
    """The points of a run that is there; None: it is not."""
    if not task.path.exists():
        return None
    return [Point(**each) for each in json.loads(task.path.read_text())]


def run(task: Task) -> list[Point]:
    """Trains, and keeps what it found."""
    points = trained(task, stored(Path(task.folder)))
    write(task.path, json.dumps([point._asdict() for point in points], indent=1))
    return points


def trained(task: Task, held: Sequences, advance: Callable[[int], None] = lambda tokens: None) -> list[Point]:
    """The points of one run, a budget each; `advance(tokens)` is called after each step."""
    test, ours = held.part(slice(0, task.tested)), held.part(slice(task.tested, None))
    steps = task.tokens // (BATCH * task.length)
    judged = {max(1, steps // 2**k) for k in range(BUDGETS)}
    points = []
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(task.seed)
        ads = int(held.ad.max()) + 1
        network = Behaviour(ads, task.length, task.size.width, task.size.layers).to(task.device)
        mean = AveragedModel(network, avg_fn=_averaged)
        peak = RATE * math.sqrt(8 / task.size.width)
        optimiser = torch.optim.Adam(network.parameters(), peak, betas=(0.9, 0.98), fused=True)
        warming = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM))
        for step, (ad, clicked) in zip(range(1, steps + 1), _batches(ours, task), strict=False):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(ad, clicked), clicked.float())
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
            warming.step()
            mean.update_parameters(network)
            advance(step * BATCH * task.length)
            if step in judged:
                tokens = step * BATCH * task.length
                operations = tokens * computed(task.size.layers, task.size.width, task.length)
                loss_then = judge(mean.module, test, task.device)
                points.append(Point(str(task.size), task.seed, *network.sizes(), tokens, operations, loss_then))
    return points


def judge(network: torch.nn.Module, test: Sequences, device: str = "cpu") -> float:
    """The log loss of a model on test users, over all clicks that could have been."""
    with torch.inference_mode():
        parts = [
            torch.sigmoid(network(*_moved(test.part(slice(i, i + 256)), device))).double().cpu().numpy()
            for i in range(0, len(test.user), 256)
        ]
    return expected_loss(np.concatenate(parts), test.truth)


def _averaged(held: Tensor, new: Tensor, steps: Tensor | int) -> Tensor:
    """A mean that forgets: of about the latest tenth of the steps."""
    return held.lerp(new, 1.0 / (1.0 + LATEST * int(steps)))


def _batches(held: Sequences, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
    """Users once each, in an order of the seed, the same for all sizes."""
    order = np.random.default_rng(task.seed).permutation(len(held.user))
    for first in range(0, len(order) - BATCH + 1, BATCH):
        rows = order[first : first + BATCH]
        yield _moved(held.part(rows), task.device)


def _moved(held: Sequences, device: str) -> tuple[Tensor, Tensor]:
    """Ads and clicks, (B, T) each."""
    ad, clicked = (torch.from_numpy(each).to(device) for each in (held.ad, held.clicked))
    return ad, clicked


def tasks(folder: Path, digest: str, held: Sequences, sizes: list[Size], seeds: int, tokens: int, tested: int) -> list[Task]:
    """A task for each size and seed, seed after seed, so that a command that is stopped has whole ladders.

    Raises:
        MarketError: if there are fewer users than the budget wants, or the budget has no steps.
    """
    users, length = held.ad.shape
    most = (users - tested) // BATCH * BATCH * length
    if not BATCH * length * 2 ** (BUDGETS - 1) <= tokens <= most:
        least = BATCH * length * 2 ** (BUDGETS - 1)
        raise MarketError(f"a budget lies between {least:,} tokens and the {most:,} of this market, unlike {tokens:,}")
    return [Task(str(folder), digest, size, seed, tokens, length, tested, device()) for seed in range(seeds) for size in sizes]
