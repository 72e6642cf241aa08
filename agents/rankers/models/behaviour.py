"""A causal transformer over all that a user has been shown and clicked (after SASRec, Kang and McAuley 2018), to be scaled.

Where SASRec learns from clicks alone, a token here is an ad with whether it was clicked: what is passed over tells, too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEAD = 16  # numbers of a head, of which a layer has as many as its width holds


class Layer(nn.Module):
    """Attention to what came before, then a perceptron four times as wide; both normalise first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.told = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, w = x.shape
        parts = self.asked(self.before(x)).view(b, t, 3, self.heads, w // self.heads)  # (B, T, 3, H, w / H)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, H, T, w / H) each
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)  # (B, H, T, w / H)
        x = x + self.told(seen.transpose(1, 2).reshape(b, t, w))  # (B, T, w)
        out: Tensor = x + self.down(nn.functional.relu(self.up(self.between(x))))  # (B, T, w)
        return out


class Behaviour(nn.Module):
    """Log-odds of a click on each impression of a sequence, given those before it: bias of the ad + user so far . ad.

    Args:
        ads: how many there are.
        length: T, impressions of a sequence.
        width: w, numbers of an embedding and of a token; a multiple of 16, or less than 32.
        layers: of attention.
    """

    def __init__(self, ads: int, length: int, width: int, layers: int) -> None:
        super().__init__()
        self.ads = ads
        self.seen = nn.Embedding(2 * ads + 1, width)  # an ad passed over, an ad clicked; the last: nothing yet
        self.ad, self.bias = nn.Embedding(ads, width), nn.Embedding(ads, 1)
        self.place = nn.Parameter(width**-0.5 * torch.randn(length, width))
        for table in (self.seen, self.ad):
            nn.init.normal_(table.weight, 0.0, width**-0.5)
        nn.init.zeros_(self.bias.weight)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.norm, self.user = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, ad: Tensor, clicked: Tensor) -> Tensor:
        """Of ads shown and whether they were clicked, (B, T) int64 each; (B, T), each without its own click and those after."""
        past = torch.cat([torch.full_like(ad[:, :1], 2 * self.ads), 2 * ad[:, :-1] + clicked[:, :-1]], dim=1)  # (B, T)
        x = self.seen(past) + self.place  # (B, T, w)
        for layer in self.layers:
            x = layer(x)
        odds: Tensor = (self.user(self.norm(x)) * self.ad(ad)).sum(dim=2) + self.bias(ad)[..., 0]  # (B, T)
        return odds

    def sizes(self) -> tuple[int, int]:
        """Parameters without tables of ads and of places, and all."""
        every = sum(p.numel() for p in self.parameters())
        tables = sum(table.weight.numel() for table in (self.seen, self.ad, self.bias)) + self.place.numel()
        return every - tables, every


def computed(layers: int, width: int, length: int) -> float:
    """Floating point operations of training on one token: 6 for each weight that it is multiplied by, and attention's.

    Kaplan et al. 2020, section 2.1: forward 2 each, backward twice that; a token looks at (T + 1) / 2 on average.
    """
    weights = layers * 12 * width**2 + width**2 + width
    return 6.0 * (weights + layers * width * (length + 1))
