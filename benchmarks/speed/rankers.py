"""Rankers: examples trained on, and candidates scored, a second of one core's processor time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...agents.rankers.models.dcn import DCN
from ...agents.rankers.models.layers import Batch, Shape, one_thread
from ...agents.rankers.models.registry import make
from ...agents.rankers.models.two_tower import TwoTower
from ...agents.rankers.training import Course, Settings, step
from .stopwatch import REPEATS, Measure, best, processor_seconds

FIELDS, VALUES, K, BATCH = 26, 1_000, 10, 4_096  # 26 fields and embeddings of 10 numbers, as of Criteo's log in BARS
OF_REQUEST = 16  # of the fields
# Wanted of a core: half of what two are to do.
TRAINED = {"lr": 300.0, "fm": 75.0, "deepfm": 22.5, "dcn": 22.5}  # thousand examples a second
STEPS = 4
REQUESTS = 8  # at a time
SHARED, OWN = 2_000, 40  # candidates that all requests share, in recall, and of a request's own, in the fine sort


def ranker_measures() -> list[Measure]:
    """Training, each step with its optimiser, from batches in memory; scoring from rows of the tables on."""
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(0)
        wanted = TRAINED.items()
        trained = [
            Measure(f"train {name}, {FIELDS} fields", _trained(name), "k examples/s", least=least) for name, least in wanted
        ]
        return trained + _scored()


def _shape() -> Shape:
    return Shape((VALUES,) * FIELDS, OF_REQUEST, 0, (), 1)


def _trained(name: str) -> float:
    """Thousand examples a second."""
    shape, dice = _shape(), np.random.default_rng(0)
    course = Course(make(name, shape, {} if name == "lr" else {"k": K}), Settings(name, batch=BATCH))
    none = torch.zeros(BATCH, 0, dtype=torch.int32)
    slot = torch.full((BATCH,), -1)
    batches = []
    for _ in range(STEPS):
        ids = torch.from_numpy((dice.integers(0, VALUES, (BATCH, FIELDS)) + shape.offsets).astype(np.int32))
        labels = torch.from_numpy((dice.random((BATCH, 1)) < 0.05).astype(np.float32))
        batches.append((Batch(ids, none[..., None], none, slot), labels))

    def play() -> None:
        for batch, labels in batches:
            step(course, batch, labels)

    play()
    return STEPS * BATCH / best(lambda k: processor_seconds(play), 2 * REPEATS) / 1e3


def _scored() -> list[Measure]:
    """A recall of two towers on vectors of ads that stand ready, and a DCN-v2 whose request's part is made once."""
    shape, dice = _shape(), np.random.default_rng(0)

    def rows(count: int, first: int, last: int) -> torch.Tensor:
        drawn = dice.integers(0, VALUES, (count, last - first)) + shape.offsets[first:last]
        return torch.from_numpy(drawn.astype(np.int32))

    asked = rows(REQUESTS, 0, OF_REQUEST)
    towers = make("two-tower", shape, {"k": K}).eval()
    crossed = make("dcn", shape, {"k": K, "hidden": (128, 64)}).eval()
    assert isinstance(towers, TwoTower)
    assert isinstance(crossed, DCN)
    ads = towers.of_ad(rows(SHARED, OF_REQUEST, FIELDS)).detach()
    own = rows(REQUESTS * OWN, OF_REQUEST, FIELDS).view(REQUESTS, OWN, -1)
    return [
        _rate("score by two towers", lambda: towers.of_request(asked) @ ads.T, REQUESTS * SHARED, 2.0),
        _rate("score by DCN-v2, a request's part once", lambda: crossed.of_candidates(asked, own), REQUESTS * OWN, 0.25),
    ]


def _rate(name: str, work: Callable[[], torch.Tensor], candidates: int, least: float) -> Measure:
    def several() -> None:
        with torch.inference_mode():
            for _ in range(STEPS):
                work()

    several()
    seconds = best(lambda k: processor_seconds(several), 4 * REPEATS)
    return Measure(name, STEPS * candidates / seconds / 1e6, "M candidates/s", least=least)
