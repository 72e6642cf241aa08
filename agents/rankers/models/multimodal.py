"""Two towers whose ad side reads what an ad looks like: text, image and video fused, any of them missing.

Trained as `two_tower` is. A new ad has numbers (of itself, its campaign) that nobody has been trained on: in training the ad's
numbered features are left out of an example with some probability (DropoutNet, Volkovs et al. 2017), so that its looks have to
do, and so are modalities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import NO_VECTORS, Looks, Shape, perceptron
from .two_tower import TwoTower


class MultiModal(TwoTower):
    """Scores as `TwoTower`; the ad's tower reads its numbered features beside a gated sum of its modalities.

    Each modality becomes a vector of `fused` numbers, or the learned one of its absence; a softmax of a score of each says how
    much it counts (late fusion). With `id_dropout` of 1 an ad is known by its looks alone.
    """

    def __init__(
        self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (64,), width: int = 32, temperature: float = 0.1,
        correction: bool = True, fused: int = 32, dropout: float = 0.2, id_dropout: float = 0.3,
    ) -> None:  # fmt: skip
        super().__init__(shape, k, hidden, width, temperature, correction)
        self.looks, self.weigh = Looks(shape, fused, dropout), nn.Linear(fused, 1)
        self.id_dropout = id_dropout
        self.ad = perceptron((len(shape.sizes) - shape.of_request) * k + fused, hidden, width)

    def of_ad(self, ids: Tensor, looks: Tensor = NO_VECTORS) -> Tensor:
        numbered = self.vectors(ids).flatten(1)  # (B, ad's features k)
        if self.id_dropout >= 1:
            numbered = torch.zeros_like(numbered)
        elif self.training and self.id_dropout > 0:
            numbered = numbered * (torch.rand(len(ids), 1) >= self.id_dropout)
        modalities = self.looks(looks)  # (B, V, fused)
        share = torch.softmax(self.weigh(modalities), dim=1)  # (B, V, 1)
        vectors: Tensor = self.ad(torch.cat([numbered, (share * modalities).sum(dim=1)], dim=1))
        return nn.functional.normalize(vectors, dim=1)
