"""DeepFM (Guo et al. 2017): a factorisation machine and a perceptron on the same embeddings."""

from __future__ import annotations

from torch import Tensor

from .fm import pairs
from .layers import Batch, Linear, Network, Shape, Table, perceptron


class DeepFM(Network):
    """Log-odds b + sum_f w_f + sum_{f<g} v_f . v_g + MLP(v_1, ..., v_F); one label."""

    def __init__(self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (400, 400, 400), dropout: float = 0.0) -> None:
        super().__init__()
        self.linear, self.vectors = Linear(shape, 1), Table(shape, k)
        self.deep = perceptron(len(shape.sizes) * k, hidden, 1, dropout)

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids)  # (B, F, k)
        odds: Tensor = self.linear(batch.ids) + pairs(vectors)[:, None] + self.deep(vectors.flatten(1))  # (B, 1)
        return odds
