"""Rankers: examples trained on, and candidates scored, a second of one core's processor time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ...agents.rankers.models.layers import Batch, OfCandidates, Shape, one_thread
from ...agents.rankers.models.registry import make
from ...agents.rankers.models.two_tower import TwoTower
from ...agents.rankers.settings import Settings
from ...agents.rankers.training import Course, step
from .stopwatch import REPEATS, Measure, best, processor_seconds

FIELDS, VALUES, K, BATCH = 26, 1_000, 10, 4_096  # 26 fields and embeddings of 10 numbers, as of Criteo's log in BARS
OF_REQUEST = 16  # of the fields
# Wanted of a core: half of what two are to do.
TRAINED = {"lr": 300.0, "fm": 75.0, "deepfm": 22.5, "dcn": 22.5}  # thousand examples a second
DEEP = {"hidden": (128, 64)}
SCORED: dict[str, tuple[dict[str, Any], float]] = {"fm": ({}, 10.0), "deepfm": (DEEP, 0.5), "dcn": (DEEP, 0.25)}  # millions
STEPS = 4
REQUESTS = 8  # at a time
SHARED, OWN = 2_000, 40  # candidates that all requests share, in recall, and of a request's own, in the fine sort
TOGETHER, MARKET = 64, 200  # requests at a time, and ads, of a market without a funnel


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
    """A recall of two towers on vectors of ads that stand ready, and models whose request's part is made once."""
    shape, dice = _shape(), np.random.default_rng(0)

    def rows(count: int, first: int, last: int) -> torch.Tensor:
        drawn = dice.integers(0, VALUES, (count, last - first)) + shape.offsets[first:last]
        return torch.from_numpy(drawn.astype(np.int32))

    asked = rows(REQUESTS, 0, OF_REQUEST)
    towers = make("two-tower", shape, {"k": K}).eval()
    assert isinstance(towers, TwoTower)
    ads = towers.of_ad(rows(SHARED, OF_REQUEST, FIELDS)).detach()
    own, all_ads = rows(REQUESTS * OWN, OF_REQUEST, FIELDS).view(REQUESTS, OWN, -1), rows(MARKET, OF_REQUEST, FIELDS)
    together = rows(TOGETHER, 0, OF_REQUEST)
    found = [_rate("score by two towers", lambda: towers.of_request(asked) @ ads.T, REQUESTS * SHARED, 2.0)]
    for name, (settings, least) in SCORED.items():
        network = make(name, shape, {"k": K, **settings}).eval()
        assert isinstance(network, OfCandidates)
        if name == "dcn":
            fine = partial(network.of_candidates, asked, own)
            found.append(_rate("score by DCN-v2, a request's part once", fine, REQUESTS * OWN, least))
        every = partial(network.of_candidates, together, all_ads)
        found.append(_rate(f"score by {name}, all ads of a market", every, TOGETHER * MARKET, least))
    return found


def _rate(name: str, work: Callable[[], torch.Tensor], candidates: int, least: float) -> Measure:
    def several() -> None:
        with torch.inference_mode():
            for _ in range(STEPS):
                work()

    several()
    seconds = best(lambda k: processor_seconds(several), 4 * REPEATS)
    return Measure(name, STEPS * candidates / seconds / 1e6, "M candidates/s", least=least)
