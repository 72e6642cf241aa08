"""Deep interest network (Zhou et al. 2018): the candidate asks the user's past what of it matters."""

from __future__ import annotations

import torch
from torch import Tensor

from .layers import Batch, Network, Shape, Table, perceptron


class DIN(Network):
    """An MLP on the embeddings and on a sum of past impressions, weighed by how they go with the candidate; one label.

    An impression of the past is the sum of its embeddings and of one of whether it was clicked. The weights are not normalised,
    so that the strength of an interest is kept, as in the paper.
    """

    def __init__(
        self, shape: Shape, k: int = 10, attention: tuple[int, ...] = (32,), hidden: tuple[int, ...] = (128, 64)
    ) -> None:
        super().__init__()
        self.vectors, self.clicked = Table(shape, k), torch.nn.Embedding(2, k)
        self.places = list(shape.remembered)
        self.weigh = perceptron(4 * k, attention)
        self.deep = perceptron((len(shape.sizes) + 1) * k, hidden)

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids)  # (B, F, k)
        asked = vectors[:, self.places].sum(dim=1)[:, None]  # (B, 1, k) the candidate
        there = (batch.clicked >= 0)[..., None]  # (B, L, 1)
        past = self.vectors(batch.past).sum(dim=2) + self.clicked(batch.clicked.clamp(min=0))  # (B, L, k)
        asked = asked.expand_as(past)
        weight = self.weigh(torch.cat([asked, past, asked - past, asked * past], dim=2)) * there  # (B, L, 1)
        interest = (weight * past).sum(dim=1)  # (B, k)
        odds: Tensor = self.deep(torch.cat([vectors.flatten(1), interest], dim=1))  # (B, 1)
        return odds
