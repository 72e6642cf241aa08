"""Factorisation machine (Rendle 2010): every pair of features meets in a product of their embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from .layers import NO_VECTORS, Batch, Fields, Linear, Looks, OfCandidates, Shape


def pairs(vectors: Tensor) -> Tensor:
    """The sum over pairs of features of their dot products, (B, F, k) to (B,).

    By the identity sum_{f<g} v_f . v_g = (|sum_f v_f|^2 - sum_f |v_f|^2) / 2, in O(F k) instead of O(F^2 k).
    """
    whole = vectors.sum(dim=1)  # (B, k)
    return 0.5 * (whole.square().sum(dim=1) - vectors.square().sum(dim=(1, 2)))


def pairs_of_candidates(asked: Tensor, told: Tensor) -> Tensor:
    """`pairs` of the features of requests (n, F', k) together with those of their ads, (n, A, F'', k) or (A, F'', k); (n, A).

    Pairs within a side are made once for it; those across are one product of the sums of both.
    """
    ours, theirs = asked.sum(dim=1), told.sum(dim=-2)  # (n, k) and (..., A, k)
    within = pairs(told.flatten(0, -3)).view(told.shape[:-2])  # (..., A)
    across = ours @ theirs.T if theirs.dim() == 2 else torch.matmul(theirs, ours[:, :, None])[..., 0]  # (n, A)
    return across + within + pairs(asked)[:, None]


class FM(OfCandidates):
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

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`; of one label."""
        told = self.vectors.of(ads, vectors)  # (..., A, F'' + V, k)
        odds = self.linear.of_candidates(request, ads) + pairs_of_candidates(self.vectors(request), told)
        return odds if self.shown is None else odds + self.shown(vectors).sum(dim=(-2, -1))
