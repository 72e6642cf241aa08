"""DeepFM (Guo et al. 2017): a factorisation machine and a perceptron on the same embeddings."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .fm import pairs, pairs_of_candidates
from .layers import NO_VECTORS, Batch, Linear, OfCandidates, Shape, Table, first_layer, perceptron


class DeepFM(OfCandidates):
    """Log-odds b + sum_f w_f + sum_{f<g} v_f . v_g + MLP(v_1, ..., v_F); one label."""

    def __init__(self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (400, 400, 400), dropout: float = 0.0) -> None:
        super().__init__()
        self.linear, self.vectors = Linear(shape, 1), Table(shape, k)
        self.deep = perceptron(len(shape.sizes) * k, hidden, 1, dropout)

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids)  # (B, F, k)
        odds: Tensor = self.linear(batch.ids) + pairs(vectors)[:, None] + self.deep(vectors.flatten(1))  # (B, 1)
        return odds

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`: but for the layers above the first all is made once for a request, and once for an ad."""
        asked, told = self.vectors(request), self.vectors(ads)  # (n, F', k) and (..., A, F'', k)
        plain = self.linear.of_candidates(request, ads) + pairs_of_candidates(asked, told)  # (n, A)
        first = first_layer(cast(nn.Linear, self.deep[0]), asked.flatten(1), told.flatten(-2))  # (n, A, width)
        deep: Tensor = self.deep[1:](first)  # (n, A, 1)
        return plain + deep[..., 0]
