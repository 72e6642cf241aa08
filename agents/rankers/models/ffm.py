"""Field-aware factorisation machine (Juan et al. 2016): a value has an embedding for each feature that it may meet."""

from __future__ import annotations

import torch
from torch import Tensor

from .layers import Batch, Linear, Network, Shape, Table


class FFM(Network):
    """Log-odds b + sum_f w_f + sum_{f<g} v_{f,g} . v_{g,f}; one label."""

    first: Tensor
    second: Tensor

    def __init__(self, shape: Shape, k: int = 4) -> None:
        super().__init__()
        self.k, self.features = k, len(shape.sizes)
        self.linear, self.vectors = Linear(shape, 1), Table(shape, self.features * k)
        first, second = torch.triu_indices(self.features, self.features, offset=1)  # of each pair
        self.register_buffer("first", first * self.features + second, persistent=False)  # place of v_{f,g}
        self.register_buffer("second", second * self.features + first, persistent=False)  # place of v_{g,f}

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids).view(len(batch.ids), self.features**2, self.k)  # (B, F F, k)
        met = vectors[:, self.first] * vectors[:, self.second]  # (B, pairs, k)
        odds: Tensor = self.linear(batch.ids) + met.sum(dim=(1, 2))[:, None]  # (B, 1)
        return odds
