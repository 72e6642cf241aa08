"""A trained network at rest, compiled: what it does with a row depends on that row alone, and costs microseconds.

Stable-Baselines3 takes a tenth of a millisecond to ask a network of a few thousand weights, most of it Python; and what PyTorch
makes of a row depends, in its last bit, on how many rows it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...simulator.core.arrays import Floats32
from ...simulator.core.compiled import entry, kernel
from ...simulator.core.errors import PolicyError

PLAIN, TANH, RELU = range(3)  # what a layer makes of its sums


class Network:
    """Layers, one after another: (n, inputs) to (n, outputs), from weights in single precision, summed in double.

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


@kernel()
def forward(rows: Any, weights: Any, sizes: Any, made_of: Any, room: Any, out: Any) -> None:
    """Fills out (n, outputs) for rows (n, inputs). `room` (2, widest) holds a layer's inputs and outputs."""
    for n in range(rows.shape[0]):
        for i in range(sizes[0]):
            room[0, i] = rows[n, i]
        place = 0
        for layer in range(made_of.size):
            before, after = room[layer % 2], room[(layer + 1) % 2]
            many, few = sizes[layer], sizes[layer + 1]
            bias = place + many * few
            for o in range(few):
                after[o] = weights[bias + o]
            for i in range(many):
                x, first = before[i], place + i * few
                for o in range(few):
                    after[o] += x * weights[first + o]
            if made_of[layer] == TANH:
                for o in range(few):
                    after[o] = math.tanh(after[o])
            elif made_of[layer] == RELU:
                for o in range(few):
                    after[o] = max(after[o], 0.0)
            place = bias + few
        last = room[made_of.size % 2]
        for o in range(out.shape[1]):
            out[n, o] = last[o]


def network_of(policy: Any) -> Network:
    """The network that acts in a policy as `algorithms.networks` makes them, at its most likely.

    Raises:
        PolicyError: if it is made of something else than layers with tanh or ReLU.
    """
    layers: list[tuple[Floats32, Floats32, int]] = []
    for module in _modules(policy):
        kind = type(module).__name__
        if kind == "Linear":
            weights, bias = (x.detach().numpy().astype(np.float32) for x in (module.weight, module.bias))
            layers.append((weights, bias, PLAIN))
        elif kind in ("Tanh", "ReLU") and layers and layers[-1][2] == PLAIN:
            layers[-1] = (*layers[-1][:2], TANH if kind == "Tanh" else RELU)
        elif kind not in ("Flatten", "Identity"):
            raise PolicyError(f"an agent at rest is made of layers with tanh or ReLU, not of {kind}")
    return Network(layers, bounded=layers[-1][2] != TANH)


def _modules(policy: Any) -> Iterator[Any]:
    """Those that an observation goes through on its way to an action, in their order."""
    import torch.nn as nn

    from .rows import Rows

    if hasattr(policy, "action_net"):  # of an actor beside a critic
        layers = policy.mlp_extractor
        stages = [layers.actor if hasattr(layers, "actor") else layers.policy_net, policy.action_net]
    elif isinstance(policy.actor, Rows):
        stages = [policy.actor]
    else:  # the mean of a squashed normal distribution
        stages = [policy.actor.latent_pi, policy.actor.mu, nn.Tanh()]
    for stage in stages:
        whole = stage.network if isinstance(stage, Rows) else stage
        yield from whole if isinstance(whole, nn.Sequential) else [whole]
