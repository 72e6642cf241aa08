"""Semantic ids: an ad as a few codes, each of which quantises what those before have left (RQ-VAE; Lee et al. 2022).

Codebooks follow the mean of what falls to them (van den Oord et al. 2017, appendix A.1); a code to which nothing falls begins
anew at a residual of the batch. Gradients pass the quantiser as if it were not there (straight-through).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import perceptron

DECAY = 0.95  # of the running counts and sums of a code
DEAD = 0.05  # a code whose running count is below this share of an even one begins anew
COMMITMENT = 0.25  # how much vectors are drawn to their codes


class SemanticIds(nn.Module):
    """An encoder, `levels` codebooks of `codes` vectors and a decoder.

    Args:
        inputs: numbers of an ad's vector, d.
        codes, levels: of codebooks.
        width: w, of what is quantised; 0: the vectors themselves, without encoder and decoder.
        hidden: layers of encoder and decoder.
    """

    books: Tensor  # (levels, codes, w)
    counts: Tensor  # (levels, codes) running
    sums: Tensor  # (levels, codes, w) running

    def __init__(self, inputs: int, codes: int = 16, levels: int = 3, width: int = 16, hidden: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        self.encoder = perceptron(inputs, hidden, width) if width else nn.Identity()
        self.decoder = perceptron(width, hidden, inputs) if width else nn.Identity()
        width = width or inputs
        self.register_buffer("books", torch.randn(levels, codes, width) * 0.1)
        self.register_buffer("counts", torch.ones(levels, codes))
        self.register_buffer("sums", self.books.clone())

    def quantised(self, latent: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Codes (n, levels), their sum (n, w), and what each level was given, the residuals, (n, w) each; latent (n, w)."""
        rest, total, codes, given = latent, torch.zeros_like(latent), [], []
        for book in self.books:
            code = torch.cdist(rest, book).argmin(dim=1)  # (n,)
            codes.append(code)
            given.append(rest)
            rest, total = rest - book[code], total + book[code]
        return torch.stack(codes, dim=1), total, given

    def codes(self, vectors: Tensor) -> Tensor:
        """The id of each ad, (n, d) to (n, levels) int64."""
        with torch.inference_mode():
            return self.quantised(self.encoder(vectors))[0]

    def errors(self, vectors: Tensor) -> list[float]:
        """Mean squared distance of what is quantised from the sum of the first codes: of none, one, ... all; levels + 1."""
        with torch.inference_mode():
            latent = self.encoder(vectors)
            codes, _, given = self.quantised(latent)
            last = given[-1] - self.books[-1][codes[:, -1]]
            return [float(rest.square().sum(dim=1).mean()) for rest in (*given, last)]

    def forward(self, vectors: Tensor) -> Tensor:
        """The loss of a batch (n, d): how far the decoder is off, and vectors from codes. In training, moves codebooks on."""
        latent = self.encoder(vectors)  # (n, w)
        codes, total, given = self.quantised(latent)
        if self.training:
            self._follow(codes, [each.detach() for each in given])
        passed = latent + (total - latent).detach()  # straight-through
        off = (self.decoder(passed) - vectors).square().mean()
        loss: Tensor = off + COMMITMENT * (latent - total.detach()).square().mean()
        return loss

    @torch.no_grad()
    def _follow(self, codes: Tensor, given: list[Tensor]) -> None:
        for level, rest in enumerate(given):
            chosen = nn.functional.one_hot(codes[:, level], self.books.shape[1]).to(rest.dtype)  # (n, codes)
            self.counts[level].lerp_(chosen.sum(dim=0), 1 - DECAY)
            self.sums[level].lerp_(chosen.T @ rest, 1 - DECAY)
            dead = self.counts[level] < DEAD * len(rest) / self.books.shape[1]
            if dead.any():
                rows = torch.randint(len(rest), (int(dead.sum()),))
                self.sums[level, dead], self.counts[level, dead] = rest[rows], 1.0
            self.books[level] = self.sums[level] / self.counts[level][:, None]


def use(codes: Tensor, size: int) -> tuple[list[float], float]:
    """Of ids (n, levels): the perplexity of the codes of each level, at most `size`, and the share of ads that share theirs."""
    found = []
    for level in codes.T:
        share = torch.bincount(level, minlength=size) / len(level)
        found.append(float(torch.exp(torch.special.entr(share).sum())))
    _, place, count = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    return found, float((count[place] > 1).double().mean())
