"""Two towers (Yi et al. 2019): a vector of the request, one of the ad, and their product, for recall.

Trained by a softmax over the ads of a batch. An ad is in a batch as often as it is clicked, so that popular ones would be
pushed away too often as others' negatives: log Q, Q how often it comes, is taken off its score (logQ correction). With it the
scores of large batches end at log P(ad | request) but for a constant of the request, without it at log P / Q: copies of an ad
in a batch are counted each, and are as many as Q says.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import NO_VECTORS, Batch, OfCandidates, Shape, Table, perceptron


class TwoTower(OfCandidates):
    """Scores r . a / temperature of vectors of length 1; they rank ads for a request, and are no rates of clicks."""

    met: Tensor  # (rows,) how often each ad has come among clicks, of which Q is estimated

    def __init__(
        self, shape: Shape, k: int = 10, hidden: tuple[int, ...] = (64,), width: int = 32, temperature: float = 0.1,
        correction: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.split, self.temperature, self.correction = shape.of_request, temperature, correction
        self.vectors = Table(shape, k)
        self.request = perceptron(shape.of_request * k, hidden, width)
        self.ad = perceptron((len(shape.sizes) - shape.of_request) * k, hidden, width)
        self.key = shape.of_request  # the first feature of the ad, which tells ads apart
        self.register_buffer("met", torch.zeros(shape.rows))

    def of_request(self, ids: Tensor) -> Tensor:
        """Vectors of requests by rows of the table, (B, request's features) to (B, width)."""
        vectors: Tensor = self.request(self.vectors(ids).flatten(1))
        return nn.functional.normalize(vectors, dim=1)

    def of_ad(self, ids: Tensor, looks: Tensor = NO_VECTORS) -> Tensor:
        """Vectors of ads by rows of the table, (B, ad's features), and by what they look like, (B, W), to (B, width)."""
        vectors: Tensor = self.ad(self.vectors(ids).flatten(1))
        return nn.functional.normalize(vectors, dim=1)

    def forward(self, batch: Batch) -> Tensor:
        ours, theirs = self.of_request(batch.ids[:, : self.split]), self.of_ad(batch.ids[:, self.split :], batch.vectors)
        return (ours * theirs).sum(dim=1, keepdim=True) / self.temperature  # (B, 1)

    def of_candidates(self, request: Tensor, ads: Tensor, vectors: Tensor = NO_VECTORS) -> Tensor:
        """See `OfCandidates`: a request's vector is made once, and those of ads which all share."""
        ours = self.of_request(request) / self.temperature  # (n, width)
        if ads.dim() == 2:
            return ours @ self.of_ad(ads, vectors).T
        looks = vectors.flatten(0, 1) if vectors.shape[-1] else vectors
        theirs = self.of_ad(ads.flatten(0, 1), looks).view(*ads.shape[:2], -1)  # (n, A, width)
        return torch.einsum("nw,naw->na", ours, theirs)

    def loss(self, batch: Batch, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        rows = labels[:, 0] > 0  # only clicks are examples: P of them
        clicks = batch.part(rows)
        ids = clicks.ids
        if len(ids) < 2:
            return self.vectors.table.weight.sum() * 0.0
        theirs = self.of_ad(ids[:, self.split :], clicks.vectors)
        scores = self.of_request(ids[:, : self.split]) @ theirs.T / self.temperature  # (P, P)
        ad = ids[:, self.key].long()
        self.met.index_add_(0, ad, torch.ones(len(ad)))
        if self.correction:
            scores = scores - torch.log(self.met[ad] / self.met.sum())  # of the ad in each column
        each = nn.functional.cross_entropy(scores, torch.arange(len(ad)), reduction="none")  # (P,)
        return each.mean() if weights is None else (each * weights[rows]).sum() / weights[rows].sum()
