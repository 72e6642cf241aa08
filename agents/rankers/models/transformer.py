"""A transformer over the user's past and the candidate, after the behaviour sequence transformer (Chen et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import DEVIATION, Batch, Network, Shape, Table, perceptron


class Transformer(Network):
    """An MLP on the embeddings and on what the candidate's token has become among those of the past; one label.

    A token is the sum of an impression's embeddings, of one of its place, and of one of whether it was clicked or is asked
    about. Layers normalise first, which trains without a warm-up.
    """

    def __init__(self, shape: Shape, k: int = 16, heads: int = 2, layers: int = 1, hidden: tuple[int, ...] = (128, 64)) -> None:
        super().__init__()
        self.vectors, self.places = Table(shape, k), list(shape.remembered)
        self.kind = nn.Embedding(3, k)  # not clicked, clicked, asked about
        self.place = nn.Parameter(DEVIATION * torch.randn(shape.length + 1, k))
        layer = nn.TransformerEncoderLayer(k, heads, 4 * k, 0.0, "relu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.deep = perceptron((len(shape.sizes) + 1) * k, hidden)

    def forward(self, batch: Batch) -> Tensor:
        vectors = self.vectors(batch.ids)  # (B, F, k)
        asked = vectors[:, self.places].sum(dim=1) + self.kind.weight[2]  # (B, k) the candidate
        past = self.vectors(batch.past).sum(dim=2) + self.kind(batch.clicked.clamp(min=0))  # (B, L, k)
        tokens = torch.cat([past, asked[:, None]], dim=1) + self.place  # (B, L + 1, k)
        empty = torch.cat([batch.clicked < 0, torch.zeros_like(batch.clicked[:, :1], dtype=torch.bool)], dim=1)
        become = self.encoder(tokens, src_key_padding_mask=empty)[:, -1]  # (B, k)
        odds: Tensor = self.deep(torch.cat([vectors.flatten(1), become], dim=1))  # (B, 1)
        return odds
