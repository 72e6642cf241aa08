"""Factorisation machine (Rendle 2010): every pair of features meets in a product of their embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from .layers import Batch, Fields, Linear, Looks, Network, Shape


def pairs(vectors: Tensor) -> Tensor:
    """The sum over pairs of features of their dot products, (B, F, k) to (B,).

    By the identity sum_{f<g} v_f . v_g = (|sum_f v_f|^2 - sum_f |v_f|^2) / 2, in O(F k) instead of O(F^2 k).
    """
    whole = vectors.sum(dim=1)  # (B, k)
    return 0.5 * (whole.square().sum(dim=1) - vectors.square().sum(dim=(1, 2)))


class FM(Network):
    """Log-odds b + sum_f w_f + sum_{f<g} v_f . v_g; of each modality of what an ad looks like w and v are linear in it."""

    def __init__(self, shape: Shape, k: int = 10) -> None:
        super().__init__()
        self.linear, self.vectors = Linear(shape, shape.tasks), Fields(shape, k * shape.tasks)
        self.tasks = shape.tasks
        self.shown = Looks(shape, shape.tasks) if shape.vectors else None

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors.of(batch.ids, batch.vectors)  # (B, F + V, k T)
        met = torch.stack([pairs(part) for part in vectors.chunk(self.tasks, dim=2)], dim=1)  # (B, T)
        odds: Tensor = self.linear(batch.ids) + met
        return odds if self.shown is None else odds + self.shown(batch.vectors).sum(dim=1)
