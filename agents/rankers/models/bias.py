"""One rate for all; with the belief as its prior a line of that belief, which calibrates it and corrects nothing else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import NO_VECTORS, Batch, OfCandidates, Shape


class Bias(OfCandidates):
    """Log-odds b."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        return self.bias.expand(len(batch.ids), -1)  # (B, T)

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`; of one label."""
        return self.bias.expand(len(request), ads.shape[-2])
