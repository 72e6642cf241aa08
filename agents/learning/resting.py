"""A network at rest as a file holds it: its sizes, what its layers make of their sums, its weights; nothing of PyTorch's."""

from __future__ import annotations

import io

import numpy as np

from ...simulator.core.layers import Layers

HEAD = 6  # numbers before the sizes in `Layers.packed`: inputs, outputs, bounded, layers, room, weights


def to_bytes(network: Layers) -> bytes:
    """A network as NumPy's `npz`, with weights in the single precision that they have."""
    packed = network.packed
    _, _, bounded, layers, _, weights = packed[:HEAD].astype(int)
    sizes, kinds, values, _ = np.split(packed[HEAD:], np.cumsum([layers + 1, layers, weights]))
    file = io.BytesIO()
    np.savez(
        file, sizes=sizes.astype(np.int32), kinds=kinds.astype(np.int8), bounded=np.bool_(bounded),
        weights=values.astype(np.float32),
    )  # fmt: skip
    return file.getvalue()


def from_bytes(content: bytes) -> Layers:
    """The network that `to_bytes` wrote. Raises `ValueError`, `KeyError`, `OSError` or `BadZipFile` if it is something else."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        sizes, kinds, bounded, values = file["sizes"], file["kinds"], bool(file["bounded"]), file["weights"]
    if len(sizes) != len(kinds) + 1 or len(values) != int(((sizes[:-1] + 1) * sizes[1:]).sum()):
        raise ValueError("sizes and weights do not fit each other")
    layers, at = [], 0
    for many, few, kind in zip(sizes[:-1].tolist(), sizes[1:].tolist(), kinds.tolist(), strict=True):
        end = at + many * few
        layers.append((np.ascontiguousarray(values[at:end].reshape(many, few).T), values[end : end + few], kind))
        at = end + few
    return Layers(layers, bounded)
