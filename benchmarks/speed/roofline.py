"""What the loop would cost if its parts were all there is to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np

from ...simulator.core.arrays import CHUNK, LANES
from ...simulator.core.compiled import OPTIONS
from ...simulator.core.threads import one_blas_thread
from ...simulator.delivery.auction import select
from .stopwatch import REPEATS, processor_seconds

SLOTS = 3


def roofline() -> dict[str, float]:
    """Nanoseconds a request for gather, product, bias, sigmoid and selection at 48 campaigns, 16 dimensions, 3 slots."""
    campaigns, dimensions, users, blocks = 48, 16, 20_000, 64
    dice = np.random.default_rng(0)
    interests = (dice.standard_normal((users, dimensions)) / 4).astype(np.float32)
    ads = dice.standard_normal((campaigns, dimensions)).astype(np.float32)
    bias = dice.standard_normal((campaigns, 1)).astype(np.float32) - 4
    who = dice.integers(users, size=(blocks, CHUNK))
    rows = np.empty((CHUNK, dimensions), np.float32)
    odds = np.empty((campaigns, CHUNK), np.float32)
    scores = dice.random((blocks, campaigns, CHUNK), np.float32)
    live = np.exp(dice.standard_normal(campaigns)).astype(np.float32)
    endless = np.full(campaigns, np.inf, np.float32)
    none, no_row = np.empty((0, 0), np.float32), np.full(campaigns, -1)
    top = np.zeros((SLOTS + 1, LANES), np.int64)

    def sigmoid(block: int) -> None:
        np.negative(odds, out=odds)
        np.exp(odds, out=odds)
        np.add(odds, 1, out=odds)
        np.reciprocal(odds, out=odds)

    steps: dict[str, Callable[[int], Any]] = {
        "gather": lambda block: np.take(interests, who[block], axis=0, out=rows, mode="clip"),
        "product": lambda block: np.matmul(ads, rows.T, out=odds),
        "bias": lambda block: np.add(odds, bias, out=odds),
        "sigmoid": sigmoid,
        "selection": lambda block: _select_block(odds, none, no_row, live, endless, np.float32(1e-6), top),
    }

    def seconds(step: Callable[[int], Any]) -> float:
        total = 0.0
        for block in range(blocks):
            np.copyto(odds, scores[block])  # fresh data, as near as the step before would have left it
            total += processor_seconds(partial(step, block))
        return total

    with one_blas_thread():
        for step in steps.values():
            step(0)
        return {name: min(seconds(step) for _ in range(REPEATS)) * 1e9 / (blocks * CHUNK) for name, step in steps.items()}


@numba.njit(**OPTIONS)
def _select_block(scores: Any, none: Any, no_row: Any, live: Any, endless: Any, floor: Any, top: Any) -> None:
    for start in range(0, scores.shape[1], LANES):
        select(start, LANES, scores, none, none, no_row, live, endless, endless, floor, SLOTS + 1, top)
