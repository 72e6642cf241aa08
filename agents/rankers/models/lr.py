"""Logistic regression: a weight for each value of each feature."""

from __future__ import annotations

from torch import Tensor

from .layers import NO_VECTORS, Batch, Linear, OfCandidates, Shape


class LR(OfCandidates):
    """Log-odds b + sum_f w_f."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.linear = Linear(shape, shape.tasks)

    def forward(self, batch: Batch) -> Tensor:
        odds: Tensor = self.linear(batch.ids)  # (B, T)
        return odds

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`; looks are none of its features."""
        return self.linear.of_candidates(request, ads)
