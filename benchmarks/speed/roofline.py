"""What the loop would cost if its parts were all there is to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numba
import numpy as np

from ...simulator.core.arrays import CHUNK, LANES
from ...simulator.core.compiled import OPTIONS
from ...simulator.core.threads import one_blas_thread
from ...simulator.delivery.auction import select_group
from .stopwatch import REPEATS, processor_seconds


def roofline(
    campaigns: int = 48, slots: int = 3, users: int = 20_000, dimensions: int = 16, repeats: int = REPEATS
) -> dict[str, float]:
    """Nanoseconds a request for gather, product, bias, sigmoid and selection at a size; by default that of `bidding`."""
    blocks = max(2, 64 * 48 // max(48, campaigns))  # as much work at any size
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
    floor, all_in = np.full(campaigns, 1e-6, np.float32), np.ones(campaigns, np.float32)
    none, no_row = np.empty((0, 0), np.float32), np.full(campaigns, -1)
    top = np.zeros((slots + 1, LANES), np.int64)
    select_block = _select_block(slots)

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
        "selection": lambda block: select_block(odds, none, no_row, live, endless, floor, all_in, top),
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
        return {name: min(seconds(step) for _ in range(repeats)) * 1e9 / (blocks * CHUNK) for name, step in steps.items()}


@cache
def _select_block(slots: int) -> Any:
    places = slots + 1

    @numba.njit(**OPTIONS)
    def select_block(scores: Any, none: Any, no_row: Any, live: Any, endless: Any, floor: Any, all_in: Any, top: Any) -> None:
        for start in range(0, scores.shape[1], LANES):
            select_group(start, scores, none, none, no_row, live, endless, endless, floor, all_in, none, places, top)

    return select_block
