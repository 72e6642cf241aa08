"""COLD (Wang et al. 2020): a light network for the rough sort, which says itself what features it could do without.

A squeeze-and-excitation gate gives each feature a weight between 0 and 1; features whose weights are small on average are left
out (`train --set without=...`), and the rest is one narrow layer, so that the network is cheap on thousands of candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import NO_VECTORS, Batch, Fields, OfCandidates, Shape, perceptron


class Cold(OfCandidates):
    """Log-odds MLP(s_1 v_1, ..., s_F v_F) with gates s = sigmoid(W [v_1, ..., v_F] + b), one for each feature; one label."""

    def __init__(self, shape: Shape, k: int = 8, hidden: tuple[int, ...] = (32,)) -> None:
        super().__init__()
        self.vectors, self.k = Fields(shape, k), k
        self.split = shape.of_request * k
        self.gate = nn.Linear(self.vectors.count * k, self.vectors.count)
        self.deep = perceptron(self.vectors.count * k, hidden)

    def forward(self, batch: Batch) -> Tensor:
        start = self.vectors.of(batch.ids, batch.vectors)  # (B, F, k)
        odds: Tensor = self.deep((start * self._gates(start)).flatten(1))  # (B, 1)
        return odds

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`: embeddings, and their parts of the gates, are made once."""
        n, count = len(request), ads.shape[-2]
        asked, told = self.vectors(request), self.vectors.of(ads, vectors)  # (n, F', k) and (..., A, F'', k)
        ours, theirs = self.gate.weight[:, : self.split], self.gate.weight[:, self.split :]
        score = nn.functional.linear(told.flatten(-2), theirs)  # (..., A, F)
        gates = torch.sigmoid(score + nn.functional.linear(asked.flatten(1), ours, self.gate.bias)[:, None])  # (n, A, F)
        both = asked[:, None].expand(n, count, -1, -1), told.expand(n, count, -1, -1)
        start = torch.cat(both, dim=2) * gates[..., None]  # (n, A, F, k)
        odds: Tensor = self.deep(start.flatten(2))[..., 0]
        return odds

    def importance(self, batch: Batch) -> Tensor:
        """The mean gate of each feature over a batch, (F + V,)."""
        return self._gates(self.vectors.of(batch.ids, batch.vectors)).mean(dim=(0, 2))

    def _gates(self, start: Tensor) -> Tensor:
        return torch.sigmoid(self.gate(start.flatten(1)))[..., None]  # (B, F, 1)
