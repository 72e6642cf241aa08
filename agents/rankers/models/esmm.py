"""Entire space multi-task model (Ma et al. 2018): what follows a click is learned from all impressions, not clicks alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import Batch, Network, Shape, Table, perceptron


class ESMM(Network):
    """A tower for each label of the chain on shared embeddings.

    The loss of a label is that of the product of all rates up to it (pCTCVR = pCTR x pCVR), over all impressions, so that a
    later rate is learned where it will be used, and not only where clicks were.
    """

    def __init__(self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (128, 64)) -> None:
        super().__init__()
        self.vectors = Table(shape, k)
        self.towers = nn.ModuleList(perceptron(len(shape.sizes) * k, hidden) for _ in range(shape.tasks))

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids).flatten(1)  # (B, F k)
        return torch.cat([tower(vectors) for tower in self.towers], dim=1)  # (B, T)

    def loss(self, batch: Batch, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        log_rates = nn.functional.logsigmoid(self(batch)).cumsum(dim=1)  # (B, T) of the chain up to each label
        # log(1 - p) of a rate that may be near 1; rounding is kept away from 0.
        log_others = torch.log(-torch.expm1(log_rates.clamp(max=-1e-7)))
        each = -(labels * log_rates + (1 - labels) * log_others).sum(dim=1)  # (B,)
        return each.mean() if weights is None else (each * weights).sum() / weights.sum()
