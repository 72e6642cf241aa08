"""Generative retrieval (TIGER, Rajput et al. 2023): what a user clicks next is spelled, code by code, as a semantic id.

A transformer reads the ads that were clicked, each as the sum of its codes' embeddings, and then the codes spelled so far. Only
prefixes of ids that there are can be spelled, and a beam keeps the likeliest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .behaviour import Layer


class Generative(nn.Module):
    """Log-probabilities of the next ad's codes, given the ids of those clicked before.

    Args:
        ids: (ads, levels) int64, the codes of each ad.
        codes: in a codebook, K.
        length: L, clicks that are read.
        width, layers: of the transformer, as in `Behaviour`.
    """

    ids: Tensor  # (ads, levels)
    offset: Tensor  # (levels,) where the codes of each begin in the table

    def __init__(self, ids: Tensor, codes: int, length: int, width: int = 32, layers: int = 1) -> None:
        super().__init__()
        self.register_buffer("ids", ids)
        self.levels, self.codes = ids.shape[1], codes
        self.table = nn.Embedding(self.levels * codes + 1, width)  # the last: no click yet
        self.register_buffer("offset", torch.arange(self.levels) * codes)
        self.place = nn.Parameter(0.02 * torch.randn(length + self.levels, width))
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.ModuleList(nn.Linear(width, codes) for _ in range(self.levels))

    def forward(self, history: Tensor, spelled: Tensor) -> Tensor:
        """Log-probabilities of the code of each level, given those before, (B, levels, K).

        Args:
            history: (B, L) ads clicked, the latest last; -1 where there is none.
            spelled: (B, levels - 1) codes of the first levels.
        """
        found = self.table(self.ids[history.clamp(min=0)] + self.offset).sum(dim=2)  # (B, L, w)
        nothing = self.table.weight[-1]  # (w,)
        past = torch.where(history[..., None] < 0, nothing, found)  # (B, L, w)
        told = self.table(spelled + self.offset[: spelled.shape[1]])  # (B, levels - 1, w)
        x = torch.cat([past, nothing.expand(len(past), 1, -1), told], dim=1)  # (B, L + levels, w)
        x = x + self.place[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x[:, history.shape[1] :])  # (B, levels, w)
        odds = torch.stack([out(x[:, level]) for level, out in enumerate(self.out[: x.shape[1]])], dim=1)
        chance: Tensor = self._there(odds, spelled).log_softmax(dim=2)
        return chance

    def loss(self, history: Tensor, ad: Tensor) -> Tensor:
        """Mean -log P of the id of the next ad, (B,), a sum over its codes."""
        codes = self.ids[ad]  # (B, levels)
        told = self(history, codes[:, :-1])  # (B, levels, K)
        off: Tensor = -told.gather(2, codes[..., None]).sum(dim=(1, 2)).mean()
        return off

    def beam(self, history: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The ids that a beam of so many prefixes finds, (B, width, levels), and their log-probabilities, the largest first.

        Where there are fewer ids than `width`, the rest have a log-probability of -inf.
        """
        b, length = history.shape
        spelled = torch.zeros(b, 1, 0, dtype=torch.int64, device=history.device)  # (B, W, level)
        scores = torch.zeros(b, 1, device=history.device)  # (B, W)
        for level in range(self.levels):
            kept = spelled.shape[1]
            asked = history[:, None].expand(b, kept, length).flatten(0, 1)
            next_ = self(asked, spelled.flatten(0, 1))[:, level].view(b, kept, self.codes)
            every = (scores[..., None] + next_).nan_to_num(-torch.inf, neginf=-torch.inf).flatten(1)  # (B, W K)
            scores, place = every.topk(min(width, every.shape[1]), dim=1)
            before = torch.div(place, self.codes, rounding_mode="floor")
            told = spelled.gather(1, before[..., None].expand(-1, -1, level))
            spelled = torch.cat([told, (place % self.codes)[..., None]], dim=2)
        return spelled, scores

    def _there(self, odds: Tensor, spelled: Tensor) -> Tensor:
        """Log-odds (B, levels, K), -inf where no ad's id goes on so; a prefix that no ad has is left as it is."""
        masked = []
        for level in range(odds.shape[1]):
            fits = (self.ids[None, :, :level] == spelled[:, None, :level]).all(dim=2).to(odds.dtype)  # (B, ads)
            there = fits @ nn.functional.one_hot(self.ids[:, level], self.codes).to(odds.dtype) > 0  # (B, K)
            none = ~there.any(dim=1, keepdim=True)
            masked.append(odds[:, level].masked_fill(~there & ~none, -torch.inf))
        return torch.stack(masked, dim=1)
