"""A position-bias tower (after Zhao et al. 2019): trained with the slot, served without it."""

from __future__ import annotations

from torch import Tensor, nn

from .deepfm import DeepFM
from .layers import SLOTS, Batch, Network, Shape


class Position(Network):
    """Log-odds of a DeepFM and of the slot, which is a weight for each; one label.

    Where no slot is known, as when candidates are scored, all count as in the first: weights of slots stand against it.
    """

    def __init__(self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (128, 64)) -> None:
        super().__init__()
        self.body, self.slots = DeepFM(shape, k, hidden), nn.Embedding(SLOTS, 1)
        nn.init.zeros_(self.slots.weight)

    def forward(self, batch: Batch) -> Tensor:
        bias = self.slots(batch.slot.clamp(min=0)) - self.slots.weight[0]  # (B, 1)
        odds: Tensor = self.body(batch) + bias
        return odds
