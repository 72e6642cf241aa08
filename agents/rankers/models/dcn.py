"""DCN-v2 (Wang et al. 2021): layers that multiply what they have by the input, beside a perceptron.

For the candidates of one request the request's part of the first layers is the same, and is made once.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .layers import NO_VECTORS, Batch, Fields, OfCandidates, Shape, first_layer, perceptron


class DCN(OfCandidates):
    """Crosses x_{l+1} = x_0 * (W_l x_l + b_l) + x_l and an MLP, both on the embeddings x_0; one label."""

    def __init__(
        self, shape: Shape, k: int = 10, crosses: int = 2, hidden: tuple[int, ...] = (400, 400, 400), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.vectors = Fields(shape, k)
        width = self.vectors.count * k  # D
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(crosses))
        self.deep = perceptron(width, hidden, None, dropout)
        self.out = nn.Linear(width + hidden[-1], 1)

    def forward(self, batch: Batch) -> Tensor:
        start = self.vectors.of(batch.ids, batch.vectors).flatten(1)  # (B, D)
        return self._above(start, self.crosses[0](start), self.deep[0](start))

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`: of the first layers the request's part is made once, and that of ads which all share."""
        n, count = len(request), ads.shape[-2]
        asked, told = self.vectors(request).flatten(1), self.vectors.of(ads, vectors).flatten(-2)  # (n, D'), (..., A, D - D')
        both = asked[:, None].expand(n, count, -1), told.expand(n, count, -1)
        start = torch.cat(both, dim=2).flatten(0, 1)  # (n A, D)
        layers = (cast(nn.Linear, layer) for layer in (self.crosses[0], self.deep[0]))
        first = [first_layer(layer, asked, told).flatten(0, 1) for layer in layers]
        return self._above(start, *first).view(n, count)

    def _above(self, start: Tensor, cross: Tensor, deep: Tensor) -> Tensor:
        """All that follows the first layers, (B, 1); `start` (B, D), `cross` (B, D) and `deep` (B, width) of them."""
        crossed = torch.addcmul(start, start, cross)  # (B, D)
        for layer in list(self.crosses)[1:]:
            crossed = torch.addcmul(crossed, start, layer(crossed))
        odds: Tensor = self.out(torch.cat([crossed, self.deep[1:](deep)], dim=1))
        return odds
