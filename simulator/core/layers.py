"""Layers of a network, compiled: what they make of a row depends on that row alone, and costs microseconds.

Stable-Baselines3 takes a tenth of a millisecond to ask a network of a few thousand weights, most of it Python; and what PyTorch
makes of a row depends, in its last bit, on how many rows it is given.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import Floats, Floats32
from .compiled import entry, inlined, kernel

PLAIN, TANH, RELU = range(3)  # what a layer makes of its sums


class Layers:
    """Layers of a network, one after another: (n, inputs) to (n, outputs), from weights in single precision, summed in double.

    Args:
        layers: of each the weights (outputs, inputs), the bias (outputs,) and one of `PLAIN`, `TANH` and `RELU`.
        bounded: whether what comes out is cut to -1 and 1.
    """

    def __init__(self, layers: list[tuple[Floats32, Floats32, int]], bounded: bool) -> None:
        sizes = [layers[0][0].shape[1], *(len(bias) for _, bias, _ in layers)]
        self.inputs, self.outputs, self._bounded = sizes[0], sizes[-1], bounded
        # Each layer's weights by input, so that a sum over inputs runs through neighbouring outputs; then its bias.
        parts = [part for weights, bias, _ in layers for part in (weights.T.ravel(), bias)]
        self._weights = np.concatenate(parts).astype(np.float32)
        self._sizes, self._made_of = np.array(sizes), np.array([kind for _, _, kind in layers])
        self._room = np.zeros((2, max(sizes)))
        rows, out = np.zeros((1, self.inputs), np.float32), np.zeros((1, self.outputs), np.float32)
        self._forward = entry(forward, rows, self._weights, self._sizes, self._made_of, self._room, out)

    def __call__(self, rows: Floats32) -> Floats32:
        """What comes out for each row, (n, outputs)."""
        rows = np.ascontiguousarray(rows, np.float32)
        out = np.empty((len(rows), self.outputs), np.float32)
        self._forward(rows, self._weights, self._sizes, self._made_of, self._room, out)
        return np.clip(out, -1.0, 1.0) if self._bounded else out

    @property
    def packed(self) -> Floats:
        """All there is to know of it in a row of numbers, for `through_packed`, with room for it to work in."""
        head = [self.inputs, self.outputs, self._bounded, self._made_of.size, self._room.shape[1], self._weights.size]
        return np.concatenate([head, self._sizes, self._made_of, self._weights, self._room.ravel()]).astype(np.float64)


@inlined
def through(weights: Any, sizes: Any, made_of: Any, room: Any) -> Any:
    """Sends what is in room[0] through all layers; returns which row of `room` (2, widest) it comes out in."""
    place = np.int64(0)
    for layer in range(made_of.size):
        many, few, kind = np.int64(sizes[layer]), np.int64(sizes[layer + 1]), np.int64(made_of[layer])
        bias = place + many * few  # sizes are whole, whatever they are written as
        rows, before, after = weights[place:bias].reshape(many, few), room[layer % 2], room[(layer + 1) % 2, :few]
        for o in range(few):
            after[o] = weights[bias + o]
        for i in range(0, many - 3, 4):  # four at a time, in order: sums are fetched and put back less often
            a, b, c, d = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            x, y, z, w = before[i], before[i + 1], before[i + 2], before[i + 3]
            for o in range(few):
                after[o] = after[o] + x * a[o] + y * b[o] + z * c[o] + w * d[o]
        for i in range(many - many % 4, many):
            a, x = rows[i], before[i]
            for o in range(few):
                after[o] += x * a[o]
        if kind == TANH:
            for o in range(few):
                after[o] = math.tanh(after[o])
        elif kind == RELU:
            for o in range(few):
                after[o] = max(after[o], 0.0)
        place = bias + few
    return made_of.size % 2


@kernel()
def forward(rows: Any, weights: Any, sizes: Any, made_of: Any, room: Any, out: Any) -> None:
    """Fills out (n, outputs) for rows (n, inputs). `room` (2, widest) holds a layer's inputs and outputs."""
    for n in range(rows.shape[0]):
        for i in range(sizes[0]):
            room[0, i] = rows[n, i]
        last = room[through(weights, sizes, made_of, room)]
        for o in range(out.shape[1]):
            out[n, o] = last[o]


@inlined
def through_packed(row: Any, packed: Any, out: Any) -> None:
    """Fills in what comes out for a row, (outputs,), of a network that is packed."""
    layers, widest, count, bounded = np.int64(packed[3]), np.int64(packed[4]), np.int64(packed[5]), packed[2] != 0.0
    sizes, made_of = packed[6 : 7 + layers], packed[7 + layers : 7 + 2 * layers]
    start = 7 + 2 * layers
    weights, room = packed[start : start + count], packed[start + count : start + count + 2 * widest].reshape(2, widest)
    for i in range(np.int64(packed[0])):
        room[0, i] = np.float32(row[i])
    last = room[through(weights, sizes, made_of, room)]
    for o in range(out.size):
        out[o] = np.float32(last[o])
        if bounded:
            out[o] = min(max(out[o], -1.0), 1.0)
